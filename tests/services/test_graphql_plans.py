"""Plans answer as the library does, or give up."""

import asyncio
from typing import Any

import pytest
from graphql import OperationDefinitionNode, parse

from catenula.base.errors import ProtocolError
from catenula.services.http.graphql.api import ScalarParsers, build_api
from catenula.services.http.graphql.endpoint import GraphqlEndpoint, Operation
from catenula.services.http.graphql.plans import GivesUp, Plan, plan_of

TEXT = """
scalar Even
type Item { name: String! size: Int tags: [String!]! self: Item broken: Int! }
type QueryRoot {
  item(size: Even!, name: String = "unnamed"): Item!
  items(count: Int): [Item!]!
  later: String!
}
type MutationRoot { change: Int! }
schema { query: QueryRoot mutation: MutationRoot }
"""


class Odd(ProtocolError):
    """Not an even number."""


def _even(value: Any) -> int:
    if value % 2:
        raise Odd("Odd")
    return int(value)


def _item(_root: Any, _context: Any, arguments: dict[str, Any]) -> Any:
    return {"name": arguments["name"], "size": arguments["size"], "tags": ("a", "b")}


def _items(_root: Any, _context: Any, arguments: dict[str, Any]) -> Any:
    return [{"name": f"{n}", "size": n, "tags": []} for n in range(arguments.get("count") or 2)]


async def _later(_root: Any, _context: Any, _arguments: dict[str, Any]) -> Any:
    return "later"


def _broken(_item: Any, _context: Any, _arguments: Any) -> Any:
    raise Odd("broken")


def _self(item: Any, _context: Any, _arguments: Any) -> Any:
    return item


SCHEMA = build_api(
    TEXT,
    {
        "QueryRoot": {"item": _item, "items": _items, "later": _later},
        "Item": {"broken": _broken, "self": _self},
    },
    scalars=ScalarParsers({"Even": _even}),
)


def _plan(query: str) -> Plan | None:
    (operation, *_) = parse(query).definitions
    assert isinstance(operation, OperationDefinitionNode)
    return plan_of(SCHEMA, operation)


def _with_library(query: str, variables: dict[str, Any]) -> Any:
    endpoint = GraphqlEndpoint(SCHEMA, None)
    endpoint._document(query)._plans[None] = None
    return asyncio.run(endpoint.execute(Operation(query, variables)))["data"]


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ('{ item(size: 2, name: "a") { name size tags } }', {}),
        ('{ a: item(size: 4, name: "b") { n: name self { self { size } } } items { name } }', {}),
        (
            "query ($s: Even!) { item(size: $s, name: null) { size } items(count: 3) { tags } }",
            {"s": 6},
        ),
        ("query Named { items(count: 0) { name } items2: items { name } }", {}),
    ],
)
def test_a_plan_answers_as_the_library(query: str, variables: dict[str, Any]) -> None:
    plan = _plan(query)
    assert plan is not None
    data = plan.data(None, variables)
    assert data == _with_library(query, variables)


@pytest.mark.parametrize(
    "query",
    [
        "mutation { change }",
        "{ later }",
        "{ item(size: 2) { name } }",
        "{ __typename }",
        "{ item(size: 3) { name } }",
        "{ items { ...All } } fragment All on Item { name }",
        "{ items { ... on Item { name } } }",
        "{ items { name @skip(if: false) } }",
        "{ items { name name } }",
        "query ($n: Int) { items(count: $n) { name } }",
    ],
)
def test_what_is_not_plain_has_no_plan(query: str) -> None:
    assert _plan(query) is None


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ items { broken } }", {}),
        ("query ($s: Even!) { item(size: $s, name: null) { size } }", {}),
        ("query ($s: Even!) { item(size: $s, name: null) { size } }", {"s": 3}),
        ("query ($s: Even!) { item(size: $s, name: null) { size } }", {"s": "x"}),
    ],
)
def test_a_plan_gives_up_where_anything_goes_wrong(query: str, variables: dict[str, Any]) -> None:
    plan = _plan(query)
    assert plan is not None
    with pytest.raises(GivesUp):
        plan.data(None, variables)
