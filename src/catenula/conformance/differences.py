"""Where two values differ, field by field, as lines for a person.

Values are compared in their JSON form, so that lines show what the protocol's own tools show.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

MAXIMUM_SHOWN_CHARACTERS = 120
_ABSENT = "nothing"


class Difference(NamedTuple):
    """One place where the found value is not the expected one."""

    field: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.field}: found {self.found}, expected {self.expected}"


def differences(field: str, found: Any, expected: Any) -> Iterator[Difference]:
    """The places where two JSON values differ, in order; ``field`` names the whole."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for name in (*expected, *(name for name in found if name not in expected)):
            yield from _of_member(f"{field}.{name}", found, expected, name)
    elif isinstance(found, list | tuple) and isinstance(expected, list | tuple):
        for index in range(max(len(found), len(expected))):
            yield from _of_element(f"{field}[{index}]", found, expected, index)
    elif type(found) is not type(expected) or found != expected:
        yield Difference(field, show(found), show(expected))


def _of_member(
    field: str, found: dict[str, Any], expected: dict[str, Any], name: str
) -> Iterator[Difference]:
    if name not in found:
        yield Difference(field, _ABSENT, show(expected[name]))
    elif name not in expected:
        yield Difference(field, show(found[name]), _ABSENT)
    else:
        yield from differences(field, found[name], expected[name])


def _of_element(field: str, found: Any, expected: Any, index: int) -> Iterator[Difference]:
    if index >= len(found):
        yield Difference(field, _ABSENT, show(expected[index]))
    elif index >= len(expected):
        yield Difference(field, show(found[index]), _ABSENT)
    else:
        yield from differences(field, found[index], expected[index])


def show(value: object) -> str:
    """A value on one line, cut when it is long."""
    text = repr(value)
    if len(text) <= MAXIMUM_SHOWN_CHARACTERS:
        return text
    return f"{text[:MAXIMUM_SHOWN_CHARACTERS]}… ({len(text)} characters)"
