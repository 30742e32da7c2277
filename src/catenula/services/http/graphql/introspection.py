"""What a schema says of itself: the types of introspection as the reference's clients know them.

The library's own are a newer draft of GraphQL: three types differ, and the lists are not sorted.
Clients compare and generate code from introspection, so the difference shows.
"""

from typing import Any, TypeVar, cast

from graphql import (
    DEFAULT_DEPRECATION_REASON,
    DirectiveLocation,
    GraphQLArgument,
    GraphQLDeprecatedDirective,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
)
from graphql.type import (
    GraphQLBoolean,
    GraphQLCompositeType,
    GraphQLDirective,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLNamedType,
    GraphQLString,
    introspection_types,
)
from graphql.type.introspection import SchemaMetaFieldDef

_NEWER_LOCATIONS = ("DIRECTIVE_DEFINITION", "FRAGMENT_VARIABLE_DEFINITION")
_NEWER_DIRECTIVE_FIELDS = ("deprecationReason", "isDeprecated")
_EVERYWHERE: tuple[GraphQLNamedType, ...] = (GraphQLFloat, GraphQLID, GraphQLBoolean, GraphQLString)


_Kind = TypeVar("_Kind", bound=GraphQLNamedType)


def _named(kind: _Kind, name: str) -> _Kind:
    """Give a type a name that the library keeps to itself."""
    kind.name = name
    return kind


def _directive_location() -> GraphQLEnumType:
    known = cast(GraphQLEnumType, introspection_types["__DirectiveLocation"])
    values = {name: value for name, value in known.values.items() if name not in _NEWER_LOCATIONS}
    return _named(GraphQLEnumType("Location", values, description=known.description), known.name)


def _known_locations(
    directive: GraphQLDirective, _info: GraphQLResolveInfo[Any]
) -> list[DirectiveLocation]:
    return [place for place in directive.locations if place.name not in _NEWER_LOCATIONS]


def _directive(location: GraphQLEnumType) -> GraphQLObjectType:
    known = cast(GraphQLObjectType, introspection_types["__Directive"])
    fields = {
        name: field for name, field in known.fields.items() if name not in _NEWER_DIRECTIVE_FIELDS
    }
    locations = GraphQLNonNull(GraphQLList(GraphQLNonNull(location)))
    fields["locations"] = GraphQLField(locations, resolve=_known_locations)
    fields["isRepeatable"] = fields.pop("isRepeatable")
    return _named(GraphQLObjectType("Own", fields, description=known.description), known.name)


def _described_type() -> GraphQLObjectType:
    """``__Type`` as it is described, in the order its clients know; the library's is executed."""
    known = cast(GraphQLObjectType, introspection_types["__Type"])
    fields = dict(known.fields)
    for last in ("specifiedByURL", "isOneOf"):
        fields[last] = fields.pop(last)
    return _named(GraphQLObjectType("Own", fields, description=known.description), known.name)


def _listed_types(schema: GraphQLSchema, _info: GraphQLResolveInfo[Any]) -> list[GraphQLNamedType]:
    return [_TYPE if kind.name == _TYPE.name else kind for kind in schema.type_map.values()]


def _schema(directive: GraphQLObjectType) -> GraphQLObjectType:
    known = cast(GraphQLObjectType, introspection_types["__Schema"])
    fields = dict(known.fields)
    directives = GraphQLNonNull(GraphQLList(GraphQLNonNull(directive)))
    fields["directives"] = GraphQLField(directives, resolve=lambda schema, _info: schema.directives)
    fields["types"] = GraphQLField(fields["types"].type, resolve=_listed_types)
    fields["description"] = GraphQLField(
        GraphQLNonNull(GraphQLString), resolve=lambda schema, _info: schema.description or ""
    )
    return _named(GraphQLObjectType("Own", fields, description=known.description), known.name)


_LOCATION = _directive_location()
_DIRECTIVE = _directive(_LOCATION)
_TYPE = _described_type()
_DEPRECATED = GraphQLDirective(
    GraphQLDeprecatedDirective.name,
    GraphQLDeprecatedDirective.locations,
    {"reason": GraphQLArgument(GraphQLString, default_value=DEFAULT_DEPRECATION_REASON)},
    description=GraphQLDeprecatedDirective.description,
)
_SCHEMA = _schema(_DIRECTIVE)
_SCHEMA_FIELD = GraphQLField(GraphQLNonNull(_SCHEMA), resolve=SchemaMetaFieldDef.resolve)


class DescribedSchema(GraphQLSchema):
    """A schema whose introspection is that of the reference's servers."""

    def __init__(
        self,
        query: GraphQLObjectType | None,
        mutation: GraphQLObjectType | None,
        subscription: GraphQLObjectType | None,
        *,
        directives: tuple[GraphQLDirective, ...],
    ) -> None:
        named = {directive.name: directive for directive in (*directives, _DEPRECATED)}
        super().__init__(
            query,
            mutation,
            subscription,
            types=_EVERYWHERE,
            directives=[named[name] for name in sorted(named)],
        )
        own = {kind.name: kind for kind in (_LOCATION, _DIRECTIVE, _SCHEMA)}
        known = {**self.type_map, **own}
        self.type_map = {name: known[name] for name in sorted(known)}

    def get_field(self, parent_type: GraphQLCompositeType, field_name: str) -> GraphQLField | None:
        """As the library's, with our own ``__schema``."""
        if field_name == "__schema" and parent_type is self.query_type:
            return _SCHEMA_FIELD
        return super().get_field(parent_type, field_name)
