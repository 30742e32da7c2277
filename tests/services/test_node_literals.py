"""Programs in documents: rewritten where they are lists of bytes, and nowhere else."""

import pytest

from catenula.services.node.schema import shorten_programs

LONG = ", ".join(["7"] * 4_096)
HEX = "07" * 4_096


def test_a_list_of_bytes_becomes_digits() -> None:
    document = f'{{ f(a: {{bytes: [{LONG}]}}, b: {{ bytes : [1,255,\n0] }}, c: "x") }}'
    short = f'{{ f(a: {{bytes: "{HEX}"}}, b: {{bytes: "01ff00"}}, c: "x") }}'
    assert shorten_programs(document) == short


@pytest.mark.parametrize(
    "document",
    [
        "{ f(a: {bytes: [1, 2]}) }",
        f'{{ f(a: "{{bytes: [{LONG}]}}") }}',
        f'{{ f(a: "\\"{{bytes: [{LONG}]}}") }}',
        f'{{ f(a: """ " {{bytes: [{LONG}]}}""") }}',
        f"{{ f }} # {{bytes: [{LONG}]}}",
        f"{{ f(bytes: [{LONG}]) }}",
        f"{{ f(a: {{bytes: [{LONG}, 256]}}) }}",
    ],
)
def test_everything_else_stays(document: str) -> None:
    assert shorten_programs(document) == document
