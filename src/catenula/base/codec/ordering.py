"""The value order of any declared type (spec 01 §1.3): of sets, map iteration and bincode maps.

Hot types bring their own sort key (`Node.order_key`); this derives one for all others: fields and
elements one after the other, absent before present, variants by index.
"""

from collections.abc import Callable
from typing import Any

from catenula.base.codec import schema

SortKey = Callable[[Any], Any]


def value_order(node: schema.Node) -> SortKey:
    """A sort key that puts values of ``node``'s type in their value order."""
    own = node.order_key()
    if own is not None:
        return own
    if isinstance(node, schema.RecordNode):
        return _record_order(node)
    if isinstance(node, schema.EnumNode):
        return _enum_order(node)
    if isinstance(node, schema.OptionNode):
        item = value_order(node.item)
        return lambda value: () if value is None else (item(value),)
    if isinstance(node, schema.SequenceNode):
        element = value_order(node.item)
        return lambda value: [element(part) for part in value]
    if isinstance(node, schema.MapNode):
        entry = (value_order(node.key), value_order(node.value))
        return lambda value: sorted((entry[0](key), entry[1](item)) for key, item in value.items())
    if isinstance(node, schema.TupleNode):
        return _tuple_order(node)
    return _itself


def _itself(value: Any) -> Any:
    return value


def _record_order(node: schema.RecordNode) -> SortKey:
    fields = [(name, value_order(field)) for name, field in node.fields]
    return lambda value: tuple(key(getattr(value, name)) for name, key in fields)


def _tuple_order(node: schema.TupleNode) -> SortKey:
    members = [value_order(item) for item in node.items]
    return lambda value: tuple(key(member) for key, member in zip(members, value, strict=True))


def _enum_order(node: schema.EnumNode) -> SortKey:
    keys = [value_order(variant.payload) for variant in node.variants]

    def order(value: Any) -> Any:
        index = node.index_of[type(value)]
        return (index, keys[index](value))

    return order
