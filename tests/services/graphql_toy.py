"""A small GraphQL interface for tests of the endpoint."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from catenula.base.errors import DecodeError
from catenula.services.http.graphql.api import ScalarParsers, build_api
from catenula.services.http.graphql.endpoint import GraphqlEndpoint

SCHEMA = """
scalar Even
input Pair { first: Even!, second: [Even!] }
type Query { sum(numbers: [Even!]!): Int!, pair(pair: Pair!): String, fail: Int, version: String!,
             item: Item! }
type Item { name: String! }
type Subscription { count(to: Even!): Int!, wait: Int! }
"""


class Toy:
    """The context: counts how many subscriptions are open."""

    def __init__(self) -> None:
        self.open = 0
        self.opened, self.closed = asyncio.Event(), asyncio.Event()


def _even(value: Any) -> int:
    if not isinstance(value, int) or value % 2:
        raise DecodeError(f"{value} is not even")
    return value


def _fail(_parent: Any, _context: Any, _arguments: Any) -> Any:
    raise ZeroDivisionError("a bug")


async def _count(_context: Toy, arguments: dict[str, Any]) -> AsyncIterator[int]:
    for number in range(arguments["to"]):
        yield number


async def _wait(context: Toy, _arguments: dict[str, Any]) -> AsyncIterator[int]:
    context.open += 1
    context.opened.set()
    try:
        yield 1
        await asyncio.Event().wait()
    finally:
        context.open -= 1
        context.closed.set()


def endpoint(toy: Toy | None = None) -> GraphqlEndpoint:
    """The toy's endpoint."""
    schema = build_api(
        SCHEMA,
        {
            "Query": {
                "sum": lambda _p, _c, arguments: sum(arguments["numbers"]),
                "pair": lambda _p, _c, arguments: repr(arguments["pair"]),
                "fail": _fail,
                "version": lambda _p, _c, _a: "1",
                "item": lambda _p, _c, _a: {"name": "thing"},
            }
        },
        scalars=ScalarParsers({"Even": _even}),
        subscribers={"count": _count, "wait": _wait},
    )
    return GraphqlEndpoint(schema, toy)
