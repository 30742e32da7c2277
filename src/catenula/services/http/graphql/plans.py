"""Questions that are asked again and again, made into plans that answer them in half the time.

A plan is built once per document from the same resolvers that the library calls, and knows only
what goes well: whatever is unusual (a null that may not be, a value that does not fit, an error, a
fragment, a directive, a resolver that waits) makes it give up, and the library answers instead,
with all its care. Resolvers of queries change nothing, so that asking them twice does no harm.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    Undefined,
    VariableNode,
    value_from_ast,
)
from graphql.language import ArgumentNode, NonNullTypeNode
from graphql.type import (
    GraphQLArgument,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    specified_scalar_types,
)

from catenula.base.errors import InvariantViolation, LocalError, ProtocolError

OWN = "catenula"
"""The extension of a field that holds its `OwnField`."""

_TROUBLE = (
    ProtocolError,
    LocalError,
    InvariantViolation,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""Refusals, and what bugs raise: the library asks again, and reports them."""

Variables = Mapping[str, Any]
_Complete = Callable[[Any, Any, Variables], Any]
_BUILT_IN: dict[str, type] = {"String": str, "Int": int, "Boolean": bool}


class OwnField(NamedTuple):
    """How a field of ours is answered: ``(parent, context, arguments)``, and its arguments read.

    Only for functions that do not wait.
    """

    function: Callable[[Any, Any, dict[str, Any]], Any]
    parse: Callable[[str, Any], Any]
    """``(argument, value)`` to the parsed value; `GivesUp` when it cannot be read."""


class GivesUp(Exception):
    """The plan does not know what to do; the library has to answer."""


class Plan:
    """A query that can be answered without the library."""

    def __init__(self, answer: _Complete, variables: Mapping[str, bool]) -> None:
        self._answer, self._variables = answer, variables

    def data(self, context: Any, given: Variables) -> Any:
        """The data of the answer; `GivesUp` when there is anything but plain success."""
        for name in self._variables:
            if given.get(name) is None:
                raise GivesUp
        try:
            return self._answer(None, context, given)
        except _TROUBLE as error:
            raise GivesUp from error


def plan_of(schema: GraphQLSchema, operation: OperationDefinitionNode) -> Plan | None:
    """The plan of a valid operation, or None when it is not a plain query."""
    if operation.operation is not OperationType.QUERY or schema.query_type is None:
        return None
    try:
        variables = _plain_variables(schema, operation)
        return Plan(_object(schema.query_type, operation.selection_set, variables), variables)
    except GivesUp:
        return None


def _plain_variables(schema: GraphQLSchema, operation: OperationDefinitionNode) -> dict[str, bool]:
    """Variables of our own scalars, which are taken as they are given."""
    names: dict[str, bool] = {}
    for definition in operation.variable_definitions or ():
        node = definition.type
        node = node.type if isinstance(node, NonNullTypeNode) else node
        kind = schema.type_map.get(getattr(getattr(node, "name", None), "value", ""))
        if not isinstance(kind, GraphQLScalarType) or kind.name in specified_scalar_types:
            raise GivesUp
        names[definition.variable.name.value] = True
    return names


def _object(
    kind: GraphQLObjectType, selected: SelectionSetNode, variables: Mapping[str, bool]
) -> _Complete:
    steps: dict[str, tuple[_Complete, _Complete]] = {}
    for node in selected.selections:
        if not isinstance(node, FieldNode) or node.directives:
            raise GivesUp
        key = (node.alias or node.name).value
        field = kind.fields.get(node.name.value)
        if field is None or key in steps:
            raise GivesUp
        steps[key] = _read(field, node, variables), _complete(field.type, node, variables)
    pairs = [(key, read, complete) for key, (read, complete) in steps.items()]

    def complete_object(parent: Any, context: Any, given: Variables) -> Any:
        return {
            key: complete(read(parent, context, given), context, given)
            for key, read, complete in pairs
        }

    return complete_object


# Values


def _complete(kind: Any, node: FieldNode, variables: Mapping[str, bool]) -> _Complete:
    if isinstance(kind, GraphQLNonNull):
        return _required(_complete(kind.of_type, node, variables))
    if isinstance(kind, GraphQLList):
        return _nullable(_every(_complete(kind.of_type, node, variables)))
    if isinstance(kind, GraphQLObjectType) and node.selection_set is not None:
        return _nullable(_object(kind, node.selection_set, variables))
    if isinstance(kind, GraphQLScalarType):
        return _nullable(_leaf(kind.name))
    raise GivesUp


def _required(complete: _Complete) -> _Complete:
    def complete_required(value: Any, context: Any, given: Variables) -> Any:
        if value is None:
            raise GivesUp
        return complete(value, context, given)

    return complete_required


def _nullable(complete: _Complete) -> _Complete:
    def complete_nullable(value: Any, context: Any, given: Variables) -> Any:
        return None if value is None else complete(value, context, given)

    return complete_nullable


def _every(complete: _Complete) -> _Complete:
    def complete_every(value: Any, context: Any, given: Variables) -> Any:
        if type(value) not in (list, tuple):
            raise GivesUp
        return [complete(item, context, given) for item in value]

    return complete_every


def _leaf(name: str) -> _Complete:
    expected = _BUILT_IN.get(name)
    if expected is None and name in specified_scalar_types:
        raise GivesUp

    def complete_leaf(value: Any, _context: Any, _given: Variables) -> Any:
        if expected is not None and type(value) is not expected:
            raise GivesUp
        return value

    return complete_leaf


# Fields and arguments


def _read(field: GraphQLField, node: FieldNode, variables: Mapping[str, bool]) -> _Complete:
    name = node.name.value
    own = (field.extensions or {}).get(OWN)
    if isinstance(own, OwnField):
        return _call(own, _arguments(field, node, variables, own))
    if field.resolve is not None:
        raise GivesUp

    def read_entry(parent: Any, _context: Any, _given: Variables) -> Any:
        if type(parent) is not dict:
            raise GivesUp
        return parent.get(name)

    return read_entry


class _Arguments(NamedTuple):
    """Arguments that are the same each time, and those that variables hold."""

    fixed: dict[str, Any]
    variable: tuple[tuple[str, str], ...]


def _call(own: OwnField, arguments: _Arguments) -> _Complete:
    function, parse = own
    fixed, variable = arguments

    def call_plain(parent: Any, context: Any, _given: Variables) -> Any:
        return function(parent, context, fixed)

    def call(parent: Any, context: Any, given: Variables) -> Any:
        read = {name: parse(name, given[held]) for name, held in variable}
        return function(parent, context, {**fixed, **read})

    return call if variable else call_plain


def _arguments(
    field: GraphQLField, node: FieldNode, variables: Mapping[str, bool], own: OwnField
) -> _Arguments:
    nodes: dict[str, ArgumentNode] = {each.name.value: each for each in node.arguments or ()}
    fixed: dict[str, Any] = {}
    held: list[tuple[str, str]] = []
    for name, argument in field.args.items():
        found = nodes.get(name)
        if found is not None and isinstance(found.value, VariableNode):
            if found.value.name.value not in variables:
                raise GivesUp
            held.append((name, found.value.name.value))
            continue
        value = _literal(argument, found)
        if value is not Undefined:
            fixed[name] = own.parse(name, value)
    return _Arguments(fixed, tuple(held))


def _literal(argument: GraphQLArgument, node: ArgumentNode | None) -> Any:
    if node is None:
        if argument.default is not None:
            raise GivesUp
        return Undefined
    value = value_from_ast(node.value, argument.type)
    if value is Undefined:
        raise GivesUp
    return value
