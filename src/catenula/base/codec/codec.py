"""`codec_of`: from a Python annotation to the functions of its three wire forms."""

import struct
import typing
from collections.abc import Callable, Mapping
from functools import cache, lru_cache, reduce
from operator import or_
from types import NoneType, UnionType
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from catenula.base import integers
from catenula.base.codec import schema
from catenula.base.codec.binary import Decode, Encode, Generator
from catenula.base.codec.json_text import parse_json
from catenula.base.codec.record import ENUM_SPECS, Record, VariantEnum
from catenula.base.errors import DecodeError, InvariantViolation

_T = TypeVar("_T")

_BCS = Generator(bincode=False)
_BINCODE = Generator(bincode=True)
_INPUT_ERRORS = (struct.error, IndexError, KeyError, UnicodeDecodeError)


class Codec(Generic[_T]):
    """The three wire forms of one type. Decoders raise only `DecodeError`."""

    def __init__(self, node: schema.Node) -> None:
        self.node = node
        self.name = node.name
        self._write_bcs: Encode | None = None
        self._read_bcs: Decode | None = None
        self._write_bincode: Encode | None = None
        self._read_bincode: Decode | None = None

    def to_bcs(self, value: _T) -> bytes:
        """The BCS form of ``value``."""
        write = self._write_bcs
        if write is None:
            write = self._write_bcs = _BCS.encoder(self.node)
        return _encode(write, value)

    def from_bcs(self, data: bytes) -> _T:
        """Read one BCS value that uses all bytes."""
        read = self._read_bcs
        if read is None:
            read = self._read_bcs = _BCS.decoder(self.node)
        try:
            value, end = read(data, 0)
        except _INPUT_ERRORS as error:
            raise DecodeError("InvalidBcs", type=self.name) from error
        if end != len(data):
            raise DecodeError("RemainingInput", type=self.name, bytes_left=len(data) - end)
        return value  # type: ignore[no-any-return]  # Generated code is untyped.

    def to_bincode(self, value: _T) -> bytes:
        """The bincode 1.3 form of ``value``."""
        write = self._write_bincode
        if write is None:
            write = self._write_bincode = _BINCODE.encoder(self.node)
        return _encode(write, value)

    def from_bincode(self, data: bytes) -> _T:
        """Read one bincode value; trailing bytes are ignored, as the reference does."""
        read = self._read_bincode
        if read is None:
            read = self._read_bincode = _BINCODE.decoder(self.node)
        try:
            value, _ = read(data, 0)
        except _INPUT_ERRORS as error:
            raise DecodeError("InvalidBincode", type=self.name) from error
        return value  # type: ignore[no-any-return]  # Generated code is untyped.

    def to_json(self, value: _T) -> Any:
        """The JSON form as Python data (dict, list, str, int, bool, None)."""
        return self.node.to_json(value)

    def from_json(self, data: Any) -> _T:
        """Read data parsed by `parse_json`, or plain Python data."""
        return self.node.from_json(_with_pairs(data))  # type: ignore[no-any-return]  # As above.

    def from_json_text(self, text: str | bytes) -> _T:
        """Read JSON text."""
        return self.node.from_json(parse_json(text))  # type: ignore[no-any-return]  # As above.


def _encode(write: Encode, value: Any) -> bytes:
    parts: list[bytes] = []
    try:
        write(value, parts.append)
    except (struct.error, OverflowError, KeyError) as error:
        raise InvariantViolation("B1", reason=str(error), value=type(value).__name__) from error
    return b"".join(parts)


def _with_pairs(data: Any) -> Any:
    if isinstance(data, dict):
        return schema.JsonObject((key, _with_pairs(item)) for key, item in data.items())
    if isinstance(data, schema.JsonObject):
        return schema.JsonObject((key, _with_pairs(item)) for key, item in data)
    if isinstance(data, list):
        return [_with_pairs(item) for item in data]
    return data


_NODES: dict[Any, schema.Node] = {
    bool: schema.BoolNode(),
    bytes: schema.BytesNode(),
    str: schema.StringNode(),
    integers.U8: schema.IntegerNode("u8", 8),
    integers.U16: schema.IntegerNode("u16", 16),
    integers.U32: schema.IntegerNode("u32", 32),
    integers.U64: schema.IntegerNode("u64", 64),
    integers.U128: schema.IntegerNode(
        "U128",
        128,
        show=str,
        read=lambda text: integers.parse_unsigned(text, integers.U128_MAX),
    ),
    integers.BlockHeight: schema.IntegerNode("BlockHeight", 64),
    integers.Timestamp: schema.IntegerNode("Timestamp", 64),
    integers.TimeDelta: schema.IntegerNode("TimeDelta", 64),
    integers.Epoch: schema.IntegerNode(
        "Epoch", 32, show=str, read=lambda text: integers.parse_unsigned(text, integers.U32_MAX)
    ),
    integers.Amount: schema.IntegerNode(
        "Amount", 128, show=integers.format_amount, read=integers.parse_amount
    ),
}
_NAMES: dict[str, Any] = {}


def register_scalar(annotation: Any, node: schema.Node) -> None:
    """Make a scalar type known to the codec; called while modules load."""
    _NODES[annotation] = node


def register_name(name: str, annotation: Any) -> None:
    """Give a type the name by which `codec_by_name` finds it."""
    _NAMES[name] = annotation


@cache
def codec_of(annotation: Any) -> Codec[Any]:
    """The codec of a declared type (see the package docstring for what counts as one)."""
    return Codec(node_of(annotation))


def node_of(annotation: Any) -> schema.Node:
    """The schema node of an annotation, built once."""
    found = _NODES.get(annotation) if _is_hashable(annotation) else None
    return found if found is not None else _build(annotation)


def _is_hashable(annotation: Any) -> bool:
    return getattr(annotation, "__hash__", None) is not None


def _build(annotation: Any) -> schema.Node:
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return _build_record(annotation)
    if isinstance(annotation, type) and issubclass(annotation, VariantEnum):
        return _remember(annotation, schema.IntEnumNode(annotation))
    if annotation in ENUM_SPECS:
        return _build_enum(annotation)
    if getattr(annotation, "__supertype__", None) is bytes:
        return _remember(annotation, schema.BytesNode())
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        item = get_args(arguments[0])[0]
        return _remember(annotation, schema.SequenceNode(node_of(item), is_set=True))
    if origin in (UnionType, typing.Union):
        rest = tuple(argument for argument in arguments if argument is not NoneType)
        return _remember(annotation, schema.OptionNode(node_of(reduce(or_, rest))))
    if origin is tuple:
        return _remember(annotation, _build_tuple(arguments))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        key, value = arguments
        return _remember(annotation, schema.MapNode(node_of(key), node_of(value)))
    raise InvariantViolation("B2", annotation=str(annotation))


def _build_tuple(arguments: tuple[Any, ...]) -> schema.Node:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return schema.SequenceNode(node_of(arguments[0]))
    return schema.TupleNode(tuple(node_of(argument) for argument in arguments))


def _build_record(cls: type[Record]) -> schema.Node:
    node = schema.RecordNode(cls, getattr(cls, "WIRE_NAME", cls.__name__))
    _remember(cls, node)
    hints = get_type_hints(cls, include_extras=True)
    names: tuple[str, ...] = cls.__struct_fields__
    node.fields = tuple((name, node_of(hints[name])) for name in names)
    return node


def _build_enum(union: Any) -> schema.Node:
    spec = ENUM_SPECS[union]
    node = schema.EnumNode(spec.name)
    _remember(union, node)
    node.set_variants(
        tuple(
            schema.Variant(item.name, item.shape, node_of(item.payload)) for item in spec.variants
        )
    )
    return node


def _remember(annotation: Any, node: schema.Node) -> schema.Node:
    _NODES[annotation] = node
    return node


@lru_cache(maxsize=1024)
def codec_by_name(name: str) -> Codec[Any]:
    """The codec of a type named as in the registry of wire types: ``Vec<T>``, ``(A, B)``, …."""
    return Codec(_node_by_name(name))


def _node_by_name(name: str) -> schema.Node:
    name = name.strip()
    if name in _NAMES:
        return node_of(_NAMES[name])
    if name.startswith("(") and name.endswith(")"):
        return schema.TupleNode(tuple(_node_by_name(part) for part in _split(name[1:-1])))
    prefix, opened, rest = name.partition("<")
    count, build = _GENERICS.get(prefix, (0, None))
    parts = _split(rest[:-1])
    if build is None or not opened or not rest.endswith(">") or len(parts) != count:
        raise DecodeError("UnknownType", name=name)
    return build(*(_node_by_name(part) for part in parts))


_GENERICS: dict[str, tuple[int, Callable[..., schema.Node] | None]] = {
    "Vec": (1, schema.SequenceNode),
    "Set": (1, lambda item: schema.SequenceNode(item, is_set=True)),
    "Map": (2, schema.MapNode),
    "Option": (1, schema.OptionNode),
}
"""Number of arguments and constructor of each generic type."""


def _split(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += character in "<("
        depth -= character in ">)"
        if character == "," and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    parts.append(text[start:])
    return parts
