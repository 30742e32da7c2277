"""Values as the reference's tools print them for debugging: nested, one field per line.

Scripts read ``chain show-block`` and its like, so the text is the reference's. It follows from the
declared wire types alone; the few rules that do not are the tables below, derived from recordings.
Byte strings are printed whole.
"""

from collections.abc import Callable, Iterable
from typing import Any

from catenula.base.codec import codec_of, schema
from catenula.base.identifiers import AccountOwner, GenericApplicationId
from catenula.protocol import BlobContent, Block

_INDENT = "    "

_WRAPPED_INTEGERS = frozenset(("Amount", "BlockHeight", "Epoch", "TimeDelta", "Timestamp"))
"""Integers that are types of their own; the others are printed bare."""

_LEFT_OUT_WHEN_EMPTY = {
    "ApplicationPermissions": None,
    "ChainOwnership": {"owners", "super_owners"},
    "OutgoingMessage": {"authenticated_signer", "grant", "refund_grant_to"},
    "PostedMessage": {"authenticated_signer", "grant", "refund_grant_to"},
    "TimeoutConfig": {"fast_round_duration"},
}
"""Fields that are not shown while they hold nothing; None stands for all of a type."""

_FIELD_ORDER = {"BlobId": ("blob_type", "hash")}
"""Types whose fields are shown in another order than they are encoded."""

_NAMED_BYTES = {"stream_name": "StreamName", "operation_results": "OperationResult"}
"""Byte strings that are types of their own, by the field that holds them."""


def debug_text(node: schema.Node, value: Any) -> str:
    """The text of a value of a declared type."""
    kind = next(kind for kind in type(node).__mro__ if kind in _WRITERS)
    return _WRITERS[kind](node, value)


def debug_fields(name: str, **fields: str) -> str:
    """A structure whose fields are texts already."""
    return _structure(name, fields.items())


def debug_list(items: Iterable[Any]) -> str:
    """A list whose items are texts already, or numbers."""
    return _enclosed("[", [str(item) for item in items], "]")


def named_block(block: Block, *, indent: int = 0) -> str:
    """A confirmed block with its hash and the hashes of its parts.

    With ``indent`` 1 it stands alone inside of something, so that line breaks come around it.
    """
    header = codec_of(Block).node.children()[0]
    fields = [(name, str(value)) for name, value in block.header_hashes().items()]
    shown_header = _structure(
        "BlockHeader", [*_shown_fields(_as_record(header), block.header), *fields]
    )
    body = codec_of(Block).node.children()[1]
    shown = debug_fields("Block", header=shown_header, body=debug_text(body, block.body))
    hashed = debug_fields("Hashed", value=shown, hash=str(block.hash))
    text = _tuple("ConfirmedBlock", [hashed])
    return f"\n{_indented(text)},\n" if indent else text


# Layout


def _indented(text: str) -> str:
    return "\n".join(f"{_INDENT}{line}" for line in text.split("\n"))


def _enclosed(opening: str, items: Iterable[str], closing: str) -> str:
    lines = [f"{_indented(item)}," for item in items]
    return "\n".join([opening, *lines, closing]) if lines else opening + closing


def _structure(name: str, fields: Iterable[tuple[str, str]]) -> str:
    items = [f"{field}: {text}" for field, text in fields]
    return _enclosed(f"{name} {{", items, "}") if items else name


def _tuple(name: str, items: Iterable[str]) -> str:
    return _enclosed(f"{name}(", items, ")")


# One writer per kind of node


def _integer(node: schema.IntegerNode, value: Any) -> str:
    return _tuple(node.name, [str(value)]) if node.name in _WRAPPED_INTEGERS else str(int(value))


def _boolean(_: schema.Node, value: Any) -> str:
    return "true" if value else "false"


def _bytes(_: schema.Node, value: Any) -> str:
    return bytes(value).hex()


def _string(_: schema.Node, value: Any) -> str:
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _plain(_: schema.Node, value: Any) -> str:
    return str(value)


def _tagged(_: schema.Node, value: Any) -> str:
    if isinstance(value, AccountOwner):
        return _owner(value)
    if isinstance(value, GenericApplicationId):
        return _tuple("User", [value[1:].hex()]) if value[0] else "System"
    return bytes(value).hex()


def _owner(value: AccountOwner) -> str:
    if value.size == 1:
        return _tuple("Reserved", [str(value[1])])
    return f"Address{value.size}({value[1:].hex()})"


def _option(node: schema.OptionNode, value: Any) -> str:
    return "None" if value is None else _tuple("Some", [debug_text(node.item, value)])


def _sequence(node: schema.SequenceNode, value: Any) -> str:
    opening, closing = ("{", "}") if node.is_set else ("[", "]")
    return _enclosed(opening, [debug_text(node.item, item) for item in value], closing)


def _map(node: schema.MapNode, value: Any) -> str:
    items = [
        f"{debug_text(node.key, key)}: {debug_text(node.value, item)}"
        for key, item in value.items()
    ]
    return _enclosed("{", items, "}")


def _group(node: schema.TupleNode, value: Any) -> str:
    items = [debug_text(part, item) for part, item in zip(node.items, value, strict=True)]
    return _enclosed("(", items, ")")


def _record(node: schema.RecordNode, value: Any) -> str:
    if isinstance(value, BlobContent):
        content = _structure("BlobContent", _shown_fields(node, value))
        return debug_fields("Blob", hash=str(value.hash), content=content)
    return _structure(node.name, _shown_fields(node, value))


def _shown_fields(node: schema.RecordNode, value: Any) -> list[tuple[str, str]]:
    nodes = dict(node.fields)
    hidden = _LEFT_OUT_WHEN_EMPTY.get(node.name, set())
    shown = []
    for name in _FIELD_ORDER.get(node.name, tuple(nodes)):
        item = getattr(value, name)
        if (hidden is None or name in hidden) and not item:
            continue
        shown.append((name, _field(name, nodes[name], item)))
    return shown


def _field(name: str, node: schema.Node, value: Any) -> str:
    wrapper = _NAMED_BYTES.get(name)
    if wrapper is None:
        return debug_text(node, value)
    if isinstance(node, schema.SequenceNode):
        return debug_list(_tuple(wrapper, [bytes(item).hex()]) for item in value)
    return _tuple(wrapper, [bytes(value).hex()])


def _enum(node: schema.EnumNode, value: Any) -> str:
    variant = node.variants[node.index_of[type(value)]]
    if variant.shape == "unit":
        return variant.name
    if variant.shape == "transparent":
        return _tuple(variant.name, [debug_text(variant.payload, value)])
    fields = _shown_fields(_as_record(variant.payload), value)
    if variant.shape == "struct":
        return _structure(variant.name, fields)
    return _tuple(variant.name, [text for _, text in fields])


def _as_record(node: schema.Node) -> schema.RecordNode:
    if not isinstance(node, schema.RecordNode):
        raise TypeError(f"{node.name} is not a record")
    return node


_WRITERS: dict[type, Callable[[Any, Any], str]] = {
    schema.IntegerNode: _integer,
    schema.BoolNode: _boolean,
    schema.BytesNode: _bytes,
    schema.StringNode: _string,
    schema.FixedBytesNode: _plain,
    schema.TaggedBytesNode: _tagged,
    schema.IntEnumNode: _plain,
    schema.OptionNode: _option,
    schema.SequenceNode: _sequence,
    schema.MapNode: _map,
    schema.TupleNode: _group,
    schema.RecordNode: _record,
    schema.EnumNode: _enum,
}
