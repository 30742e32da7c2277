"""A GraphQL interface from its schema text and the functions that answer its fields.

Scalars of the protocol are checked when a field is called, not while a document is validated: so
the reference does it, and its errors (``Failed to parse "…": …``) name the field.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from inspect import iscoroutinefunction
from typing import Any, cast

from graphql import (
    GraphQLError,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLScalarType,
    GraphQLSchema,
    build_schema,
)
from graphql.language import ArgumentNode
from graphql.type import (
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
)
from msgspec import Struct, field

from catenula.base.errors import LocalError, ProtocolError
from catenula.services.http.graphql.integers import widen_integers
from catenula.services.http.graphql.introspection import DescribedSchema
from catenula.services.http.graphql.plans import OWN, GivesUp, OwnField

Resolver = Callable[[Any, Any, dict[str, Any]], Any]
"""``(parent, context, arguments)`` to a value or an awaitable; raises for an error."""
Subscriber = Callable[[Any, dict[str, Any]], AsyncIterator[Any]]
"""``(context, arguments)`` to the values of a subscription field."""


class ScalarParsers(Struct, frozen=True):
    """How arguments of the interface's own scalars are read; those not named stay as they are.

    A parser raises `ProtocolError`; its message is shown after ``Failed to parse "NAME": ``.
    ``largest`` has the greatest value of each argument that is a natural number, under
    ``field.argument``.
    """

    parsers: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    largest: Mapping[str, int] = field(default_factory=dict)

    def of(self, bound: GraphQLField, field_name: str) -> "_Plan":
        """How the arguments of one field are read."""
        plan: _Plan = {}
        for name, argument in bound.args.items():
            parsers, largest = self.parsers, self.largest.get(f"{field_name}.{name}")
            if largest is not None:
                parsers = {**parsers, "Int": _natural(largest)}
            plan[name] = (argument.type, parsers)
        return plan


_Parsers = Mapping[str, Callable[[Any], Any]]
_Plan = dict[str, tuple[GraphQLInputType, _Parsers]]


def _natural(largest: int) -> Callable[[int], int]:
    def check(value: int) -> int:
        if not 0 <= value <= largest:
            raise _OutOfRange(f"Only integers from 0 to {largest} are accepted.")
        return value

    return check


class _OutOfRange(ProtocolError):
    """A number that its argument does not admit; the text is for the client."""

    def message(self) -> str:
        return self.code


def build_api(
    schema_text: str,
    resolvers: Mapping[str, Mapping[str, Resolver]],
    *,
    scalars: ScalarParsers,
    subscribers: Mapping[str, Subscriber] | None = None,
) -> GraphQLSchema:
    """The schema with everything bound. A field without a resolver reads its name from a mapping.

    Raises `KeyError` when a resolver or subscriber names what the text does not declare.
    """
    plain = build_schema(schema_text)
    widen_integers(plain)
    for type_name, functions in resolvers.items():
        fields = cast(GraphQLObjectType, plain.type_map[type_name]).fields
        for field_name, function in functions.items():
            _bind(fields[field_name], function, scalars.of(fields[field_name], field_name))
    if plain.subscription_type is not None:
        for field_name, subscriber in (subscribers or {}).items():
            bound = plain.subscription_type.fields[field_name]
            bound.subscribe = _subscribing(subscriber, scalars.of(bound, field_name))
            bound.resolve = _same_value
    return DescribedSchema(
        plain.query_type,
        plain.mutation_type,
        plain.subscription_type,
        directives=plain.directives,
    )


def _same_value(value: Any, _info: GraphQLResolveInfo[Any], **_arguments: Any) -> Any:
    return value


def _bind(bound: GraphQLField, function: Resolver, plan: _Plan) -> None:
    bound.resolve = _resolving(function, plan)
    if not iscoroutinefunction(function):
        bound.extensions = {OWN: OwnField(function, _parsing(plan))}


def _parsing(plan: _Plan) -> Callable[[str, Any], Any]:
    def parse(name: str, value: Any) -> Any:
        kind, parsers = plan[name]
        try:
            return _parse(kind, value, parsers)
        except _Unparsable as error:
            raise GivesUp from error

    return parse


def _resolving(function: Resolver, plan: _Plan) -> Callable[..., Any]:
    def resolve(parent: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        return function(parent, info.context, _parsed(info, arguments, plan))

    def resolve_plain(parent: Any, info: GraphQLResolveInfo[Any]) -> Any:
        return function(parent, info.context, _NO_ARGUMENTS)

    return resolve if plan else resolve_plain


_NO_ARGUMENTS: dict[str, Any] = {}


def _subscribing(function: Subscriber, plan: _Plan) -> Callable[..., Any]:
    def subscribe(
        _root: Any, info: GraphQLResolveInfo[Any], **arguments: Any
    ) -> AsyncIterator[Any]:
        return _told(function(info.context, _parsed(info, arguments, plan)))

    return subscribe


async def _told(values: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """The values; an error that ends them is the last of them, so that it names its field."""
    try:
        async for value in values:
            yield value
    except (ProtocolError, LocalError) as error:
        yield error
    finally:
        close = getattr(values, "aclose", None)
        if close is not None:
            await close()


# Arguments


def _parsed(
    info: GraphQLResolveInfo[Any], arguments: dict[str, Any], plan: _Plan
) -> dict[str, Any]:
    parsed: dict[str, Any] = {}
    for name, value in arguments.items():
        kind, parsers = plan[name]
        try:
            parsed[name] = _parse(kind, value, parsers)
        except _Unparsable as error:
            node = _argument_node(info, name)
            where = [] if node is None else [node.value]
            raise GraphQLError(error.text(), where, path=info.path.as_list()) from error.__cause__
    return parsed


def _argument_node(info: GraphQLResolveInfo[Any], name: str) -> ArgumentNode | None:
    found = (node for node in info.field_nodes[0].arguments or () if node.name.value == name)
    return next(found, None)


class _Unparsable(Exception):
    """A value that is not one of its scalar, and the types it lies in."""

    def __init__(self, scalar: str, reason: str) -> None:
        super().__init__(scalar)
        self._scalar, self._reason = scalar, reason
        self.outer: list[str] = []

    def text(self) -> str:
        """The reference's words."""
        occurred = "".join(f' (occurred while parsing "{outer}")' for outer in self.outer)
        return f'Failed to parse "{self._scalar}": {self._reason}{occurred}'


def _parse(kind: GraphQLInputType, value: Any, parsers: _Parsers) -> Any:
    if value is None:
        return None
    if isinstance(kind, GraphQLNonNull):
        return _parse(kind.of_type, value, parsers)
    if isinstance(kind, GraphQLScalarType):
        return _parse_scalar(kind.name, value, parsers)
    try:
        if isinstance(kind, GraphQLList):
            items = value if isinstance(value, list) else [value]
            return [_parse(kind.of_type, item, parsers) for item in items]
        if isinstance(kind, GraphQLInputObjectType):
            fields = kind.fields
            return {name: _parse(fields[name].type, item, parsers) for name, item in value.items()}
    except _Unparsable as error:
        error.outer.append(str(kind))
        raise
    return value


def _parse_scalar(name: str, value: Any, parsers: _Parsers) -> Any:
    parser = parsers.get(name)
    if parser is None:
        return value
    try:
        return parser(value)
    except ProtocolError as error:
        raise _Unparsable(name, error.message()) from error
