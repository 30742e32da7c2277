"""``Int`` as the reference's servers have it: 64 bits, where the library's has 32.

Heights, sizes and durations of the protocol do not fit into the library's.
"""

from typing import Any, cast

from graphql import GraphQLSchema, IntValueNode
from graphql.type import (
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
)

_LOWEST, _HIGHEST = -(2**63), 2**64 - 1


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and _LOWEST <= value <= _HIGHEST


def _serialize(value: Any) -> Any:
    return value if _is_integer(value) else GraphQLInt.serialize(value)


def _parse_value(value: Any) -> Any:
    return value if _is_integer(value) else GraphQLInt.parse_value(value)


def _parse_literal(node: Any, variables: Any = None) -> Any:
    if isinstance(node, IntValueNode) and _is_integer(number := int(node.value[:21])):
        return number
    return GraphQLInt.parse_literal(node, variables)


def _wide() -> GraphQLScalarType:
    kind = GraphQLScalarType(
        "Own",
        serialize=_serialize,
        parse_value=_parse_value,
        parse_literal=_parse_literal,
        description="A whole number.",
    )
    kind.name = GraphQLInt.name
    return kind


WIDE_INTEGER = _wide()


def widen_integers(schema: GraphQLSchema) -> None:
    """Put the wide type in the place of the library's, in every field and argument."""
    for kind in schema.type_map.values():
        if kind.name.startswith("__"):
            continue
        if isinstance(kind, GraphQLInputObjectType):
            for taken in kind.fields.values():
                taken.type = _widened(taken.type)
        elif isinstance(kind, GraphQLObjectType):
            _widen_fields(kind)


def _widen_fields(kind: GraphQLObjectType) -> None:
    for field in kind.fields.values():
        field.type = _widened(field.type)
        for argument in field.args.values():
            argument.type = _widened(argument.type)


def _widened(kind: Any) -> Any:
    if isinstance(kind, GraphQLNonNull):
        return GraphQLNonNull(cast(Any, _widened(kind.of_type)))
    if isinstance(kind, GraphQLList):
        return GraphQLList(_widened(kind.of_type))
    return WIDE_INTEGER if kind is GraphQLInt else kind
