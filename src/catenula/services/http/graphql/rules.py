"""Validation whose complaints are worded as clients of the reference know them (spec 08 §3)."""

from typing import Any

from graphql import FieldNode, GraphQLError
from graphql.pyutils import suggestion_list
from graphql.type import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)
from graphql.validation import (
    FieldsOnCorrectTypeRule,
    KnownOperationTypesRule,
    ProvidedRequiredArgumentsRule,
    ScalarLeafsRule,
    ValidationRule,
    specified_rules,
)


class _FieldsExist(ValidationRule):
    def enter_field(self, node: FieldNode, *_arguments: Any) -> None:
        parent = self.context.get_parent_type()
        if parent is None or self.context.get_field_def() is not None:
            return
        name = node.name.value
        text = f'Unknown field "{name}" on type "{parent}".{_suggestion(parent, name)}'
        self.report_error(GraphQLError(text, node))


def _suggestion(parent: object, name: str) -> str:
    if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
        return ""
    similar = [f'"{found}"' for found in suggestion_list(name, list(parent.fields))[:5]]
    if not similar:
        return ""
    *others, last = similar
    listed = f"{', '.join(others)}, or {last}" if others else last
    return f" Did you mean {listed}?"


class _LeafsHaveNoFields(ValidationRule):
    def enter_field(self, node: FieldNode, *_arguments: Any) -> None:
        kind = self.context.get_type()
        if kind is None:
            return
        named, name = get_named_type(kind), node.name.value
        is_leaf, selects = is_leaf_type(named), node.selection_set is not None
        if is_leaf and selects:
            text = f'Field "{name}" must not have a selection since type "{named}" has no subfields'
            self.report_error(GraphQLError(text, node))
        elif not is_leaf and not selects:
            text = f'Field "{name}" of type "{named}" must have a selection of subfields'
            self.report_error(GraphQLError(text, node))


class _RequiredArguments(ProvidedRequiredArgumentsRule):
    def leave_field(self, node: FieldNode, *_arguments: Any) -> None:
        found, parent = self.context.get_field_def(), self.context.get_parent_type()
        if found is None:
            return
        given = {argument.name.value for argument in node.arguments or ()}
        for name, argument in found.args.items():
            if is_required_argument(argument) and name not in given:
                text = (
                    f'Field "{node.name.value}" argument "{name}" of type "{parent}" '
                    "is required but not provided"
                )
                self.report_error(GraphQLError(text, node))


_OURS = {
    FieldsOnCorrectTypeRule: _FieldsExist,
    ScalarLeafsRule: _LeafsHaveNoFields,
    ProvidedRequiredArgumentsRule: _RequiredArguments,
}

_LEFT_OUT = {KnownOperationTypesRule}
"""The endpoint says itself that a schema has no mutations or subscriptions."""

RULES: tuple[type[Any], ...] = tuple(
    _OURS.get(rule, rule) for rule in specified_rules if rule not in _LEFT_OUT
)
