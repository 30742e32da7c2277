"""The GraphQL endpoint: errors as clients of the reference know them, limits, caches."""

import asyncio
import json
import logging
from typing import Any

import pytest

from catenula.base.limits import MAX_CACHED_DOCUMENTS, MAX_GRAPHQL_TOKENS
from catenula.services.http.graphql.endpoint import Operation
from catenula.services.http.messages import Request
from tests.services.graphql_toy import endpoint


def ask(query: str, variables: dict[str, Any] | None = None, name: str | None = None) -> Any:
    return asyncio.run(endpoint().execute(Operation(query, variables, name)))


def message(answer: Any) -> str:
    assert answer["data"] is None
    return str(answer["errors"][0]["message"])


def test_values_are_parsed_when_the_field_is_called() -> None:
    assert ask("{ sum(numbers: [2, 4]) }") == {"data": {"sum": 6}}
    found = ask("{ pair(pair: {first: 2, second: [4]}) }")
    assert found == {"data": {"pair": "{'first': 2, 'second': [4]}"}}


def test_a_value_that_cannot_be_parsed_names_scalar_place_and_field() -> None:
    assert ask("query($n: [Even!]!) { sum(numbers: $n) }", {"n": [2, 3]}) == {
        "data": None,
        "errors": [
            {
                "message": 'Failed to parse "Even": 3 is not even '
                '(occurred while parsing "[Even!]")',
                "locations": [{"line": 1, "column": 36}],
                "path": ["sum"],
            }
        ],
    }


@pytest.mark.parametrize(
    ("query", "expected", "column"),
    [
        ("", " --> 1:1\n  |\n1 | \n  | ^---\n  |\n  = expected executable_definition", 1),
        (
            "{ item { ",
            " --> 1:10\n  |\n1 | { item { \n  |          ^---\n  |\n  = expected selection",
            10,
        ),
    ],
)
def test_a_text_that_cannot_be_read_is_shown_with_the_place(
    query: str, expected: str, column: int
) -> None:
    assert ask(query)["errors"] == [
        {"message": expected, "locations": [{"line": 1, "column": column}]}
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ versio }", 'Unknown field "versio" on type "Query". Did you mean "version"?'),
        ("{ item }", 'Field "item" of type "Item" must have a selection of subfields'),
        (
            "{ version { x } }",
            'Field "version" must not have a selection since type "String" has no subfields',
        ),
        ("{ sum }", 'Field "sum" argument "numbers" of type "Query" is required but not provided'),
        ("mutation { x }", "Schema is not configured for mutations."),
    ],
)
def test_what_is_not_valid_is_refused_in_known_words(query: str, expected: str) -> None:
    assert message(ask(query)) == expected


def test_the_operation_must_be_named_when_there_are_several() -> None:
    both = "query A { version } query B { item { name } }"
    assert ask(both, name="B") == {"data": {"item": {"name": "thing"}}}
    assert message(ask(both)) == "Operation name required in request."
    assert message(ask(both, name="C")) == 'Unknown operation named "C"'


def test_a_bug_becomes_an_error_of_its_field_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = ask("{ fail version }")
    assert answer["data"] is None
    assert answer["errors"][0]["path"] == ["fail"]
    assert "ZeroDivisionError" in caplog.text


def test_a_huge_document_is_refused_before_it_is_parsed() -> None:
    assert "tokens" in message(ask("{ " + "version " * MAX_GRAPHQL_TOKENS + "}"))


def test_deeply_nested_documents_are_refused() -> None:
    assert ask("{ item " * 4000 + "}" * 4000)["data"] is None


def test_the_same_shape_is_validated_once_and_never_wrongly() -> None:
    async def main() -> None:
        asked = endpoint()
        for name in ("a", "b"):
            await asked.execute(Operation(f'{{ __type(name: "{name}") {{ name }} }}'))
        assert len(asked._valid_shapes) == 1
        same = '{ __type(name: "a") { name } __type(name: "a") { kind } }'
        other = '{ __type(name: "a") { name } __type(name: "b") { kind } }'
        assert "errors" not in await asked.execute(Operation(same))
        assert "errors" in await asked.execute(Operation(other))

    asyncio.run(main())


def test_remembered_documents_are_bounded() -> None:
    async def main() -> None:
        asked = endpoint()
        for number in range(MAX_CACHED_DOCUMENTS + 10):
            await asked.execute(Operation(f"{{ a{number}: version }}"))
        assert len(asked._documents) == MAX_CACHED_DOCUMENTS

    asyncio.run(main())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"x", 'InvalidRequest(Error("expected value", line: 1, column: 1))'),
        (b"nonsense", 'InvalidRequest(Error("expected ident", line: 1, column: 2))'),
        (b"", 'InvalidRequest(Error("EOF while parsing a value", line: 1, column: 0))'),
        (b'[{"query":"{ version }"}]', "UnsupportedBatch"),
        (b"5", "InvalidRequest("),
        (b'{"query": 5}', "InvalidRequest("),
        (b'{"query": "{ version }", "variables": []}', "InvalidRequest("),
        (b"\xff\xfe", "InvalidRequest("),
        (b"[" * 100_000, "InvalidRequest("),
    ],
)
def test_a_body_that_is_no_request_is_a_bad_request(body: bytes, expected: str) -> None:
    answer = asyncio.run(endpoint().handle(Request("POST", "/", {}, body)))
    assert answer.status == 400
    assert answer.body.decode().startswith(expected)


def test_an_answer_without_errors_may_not_be_cached() -> None:
    async def main() -> None:
        asked = endpoint()
        good = await asked.handle(Request("POST", "/", {}, b'{"query": "{ version }"}'))
        bad = await asked.handle(Request("POST", "/", {}, b'{"query": "{ nothing }"}'))
        assert good.headers == (("cache-control", "no-cache"),)
        assert (bad.status, bad.headers) == (200, ())
        assert json.loads(bad.body)["errors"]

    asyncio.run(main())
