"""Schema nodes: what the codec compiler knows about each kind of type.

A node describes one type once. From it `catenula.base.codec.binary` generates the BCS and bincode
functions, and its own ``to_json`` and ``from_json`` give the human-readable form (spec 01 §1, §7).

Names used by generated code: ``data`` (bytes being read), ``pos`` (offset), ``w`` (append of a
list of byte strings), ``v`` (value being written).
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property, partial
from typing import Any, ClassVar, NamedTuple

from catenula.base.errors import DecodeError


class JsonObject(list[tuple[str, Any]]):
    """A JSON object as parsed: its (key, value) pairs in order, repetitions included."""


class FixedForm(NamedTuple):
    """How a fixed-size type takes part in one ``struct`` call.

    ``pack`` and ``unpack`` are expression templates with ``{}`` for the value.
    """

    format_character: str
    size: int
    pack: str
    unpack: str


class Node:
    """One type of the schema. Subclasses fill in what applies to them.

    ``kind`` names the generator's methods for the node; a subclass of a concrete node inherits it.
    """

    name: str
    kind: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "kind" not in cls.__dict__ and cls.__base__ is Node:
            cls.kind = cls.__name__

    def children(self) -> "tuple[Node, ...]":
        """Nodes whose generated functions this node's functions call."""
        return ()

    def fixed(self, bincode: bool) -> FixedForm | None:
        """The fixed form in BCS or bincode, or None when the size varies."""
        return None

    def order_key(self) -> Callable[[Any], Any] | None:
        """Sort key of the value order, or None when values compare directly (spec 01 §1.3)."""
        return None

    def min_size(self) -> int:
        """A lower bound of the encoded size in both formats, at least 1 where a value has bytes."""
        return 1

    def to_json(self, value: Any) -> Any:
        """The JSON form as Python data."""
        raise NotImplementedError(self.name)

    def from_json(self, data: Any) -> Any:
        """The value of parsed JSON, or `DecodeError`."""
        raise NotImplementedError(self.name)


def json_mismatch(expected: str, data: object) -> DecodeError:
    """The error of a JSON value of the wrong kind."""
    return DecodeError("InvalidJson", expected=expected, found=_shown(data))


def _shown(data: object) -> str:
    """A short text of parsed JSON; arrays and objects, which may be deep, by their kind."""
    if isinstance(data, JsonObject):
        return "an object"
    return "an array" if isinstance(data, list) else repr(data)[:80]


class IntegerNode(Node):
    """An unsigned integer of 8 to 128 bits; JSON number, or string when ``json_text``."""

    _FORMATS: ClassVar[dict[int, str]] = {8: "B", 16: "H", 32: "I", 64: "Q", 128: "16s"}

    def __init__(
        self,
        name: str,
        bits: int,
        *,
        show: Callable[[Any], Any] = int,
        read: Callable[[str], Any] | None = None,
    ) -> None:
        self.name, self.bits, self._show, self._read = name, bits, show, read

    def fixed(self, bincode: bool) -> FixedForm:
        if self.bits == 128:
            return FixedForm("16s", 16, '{}.to_bytes(16, "little")', 'from_bytes({}, "little")')
        return FixedForm(self._FORMATS[self.bits], self.bits // 8, "{}", "{}")

    def min_size(self) -> int:
        return self.bits // 8

    def to_json(self, value: Any) -> Any:
        return self._show(value)

    def from_json(self, data: Any) -> Any:
        if self._read is not None:
            if type(data) is not str:
                raise json_mismatch(f"{self.name} as a string", data)
            return self._read(data)
        if type(data) is not int or not 0 <= data < 1 << self.bits:
            raise json_mismatch(f"u{self.bits}", data)
        return data


class BoolNode(Node):
    """``bool``: one byte, 0 or 1."""

    name = "bool"

    def fixed(self, bincode: bool) -> FixedForm:
        return FixedForm("B", 1, "{}", "BOOLEANS[{}]")

    def to_json(self, value: Any) -> Any:
        return value

    def from_json(self, data: Any) -> Any:
        if type(data) is not bool:
            raise json_mismatch("a boolean", data)
        return data


class BytesNode(Node):
    """A byte string with its length; JSON array of numbers."""

    name = "bytes"

    def to_json(self, value: Any) -> Any:
        return list(value)

    def from_json(self, data: Any) -> Any:
        if type(data) is str:
            return encode_text(data)
        if is_byte_list(data):
            return bytes(data)
        raise json_mismatch("an array of bytes", data)


def is_byte_list(data: Any) -> bool:
    """Whether parsed JSON is an array of numbers 0…255."""
    return type(data) is list and all(type(byte) is int and 0 <= byte < 256 for byte in data)


def encode_text(text: str) -> bytes:
    """UTF-8 bytes of a JSON string; `DecodeError` for a lone surrogate."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise DecodeError("InvalidText", text=ascii(text)) from error


class StringNode(Node):
    """A UTF-8 string with its length in bytes."""

    name = "str"

    def order_key(self) -> Callable[[Any], Any]:
        return str.encode

    def to_json(self, value: Any) -> Any:
        return value

    def from_json(self, data: Any) -> Any:
        if type(data) is not str:
            raise json_mismatch("a string", data)
        encode_text(data)
        return data


class FixedBytesNode(Node):
    """A ``bytes`` subclass of fixed size; JSON hex text.

    With ``validating`` the class's ``decode`` is called, else the constructor.
    """

    def __init__(self, cls: Any, size: int, *, validating: bool, order: Any = None) -> None:
        self.cls, self.size, self.name = cls, size, cls.__name__
        self.validating, self._order = validating, order

    def order_key(self) -> Callable[[Any], Any] | None:
        key: Callable[[Any], Any] | None = self._order
        return key

    def fixed(self, bincode: bool) -> FixedForm:
        read = f"{self.name}.decode({{}})" if self.validating else f"{self.name}({{}})"
        return FixedForm(f"{self.size}s", self.size, "{}", read)

    def min_size(self) -> int:
        return self.size

    def to_json(self, value: Any) -> Any:
        return value.hex()

    def from_json(self, data: Any) -> Any:
        if type(data) is not str:
            raise json_mismatch(f"{self.name} as a string", data)
        reader = getattr(self.cls, "from_json_hex", None) or self.cls.parse
        return reader(data)


class TaggedBytesNode(Node):
    """A ``bytes`` subclass that holds its own BCS form: tag byte and payload of a known length.

    ``payload_sizes`` maps each tag to its payload size. ``validating`` as in `FixedBytesNode`.
    """

    def __init__(
        self,
        cls: Any,
        payload_sizes: Mapping[int, int],
        *,
        validating: bool,
        json: tuple[Callable[[Any], Any], Callable[[Any], Any]],
    ) -> None:
        self.cls, self.name = cls, cls.__name__
        self.payload_sizes, self.validating = dict(payload_sizes), validating
        self._to_json, self._from_json = json

    def to_json(self, value: Any) -> Any:
        return self._to_json(value)

    def from_json(self, data: Any) -> Any:
        return self._from_json(data)


class IntEnumNode(Node):
    """An enum without payload, an `IntEnum` whose member names are the variant names."""

    def __init__(self, cls: Any) -> None:
        self.cls, self.name = cls, cls.__name__
        self.members = tuple(cls)
        self.variant_names = tuple(cls.variant_name(member) for member in self.members)

    def fixed(self, bincode: bool) -> FixedForm:
        if bincode:
            return FixedForm("I", 4, "{}", f"{self.name}_members[{{}}]")
        return FixedForm("B", 1, "{}", f"{self.name}_members[{{}}]")

    def to_json(self, value: Any) -> Any:
        return self.variant_names[value]

    def from_json(self, data: Any) -> Any:
        name, payload = split_variant(data)
        if name not in self.variant_names or payload is not None:
            raise json_mismatch(f"a variant of {self.name}", data)
        return self.members[self.variant_names.index(name)]


def split_variant(data: Any) -> tuple[str, Any]:
    """The variant name and payload of a JSON enum; the payload of a bare name is None."""
    if type(data) is str:
        return data, None
    if isinstance(data, JsonObject) and len(data) == 1:
        return data[0]
    raise json_mismatch("an enum variant", data)


class OptionNode(Node):
    """``Option<T>``: None or a value."""

    def __init__(self, item: Node) -> None:
        self.item, self.name = item, f"Option<{item.name}>"

    def children(self) -> tuple[Node, ...]:
        return (self.item,)

    def to_json(self, value: Any) -> Any:
        return None if value is None else self.item.to_json(value)

    def from_json(self, data: Any) -> Any:
        return None if data is None else self.item.from_json(data)


class SequenceNode(Node):
    """``Vec<T>`` as a tuple, or a set as a sorted tuple without duplicates."""

    def __init__(self, item: Node, *, is_set: bool = False) -> None:
        self.item, self.is_set = item, is_set
        self.name = f"Set<{item.name}>" if is_set else f"Vec<{item.name}>"

    def children(self) -> tuple[Node, ...]:
        return (self.item,)

    def to_json(self, value: Any) -> Any:
        return [self.item.to_json(item) for item in value]

    def from_json(self, data: Any) -> Any:
        if type(data) is not list:
            raise json_mismatch("an array", data)
        items = [self.item.from_json(item) for item in data]
        return sort_set(items, self.item.order_key()) if self.is_set else tuple(items)


def sort_set(items: list[Any], key: Callable[[Any], Any] | None) -> tuple[Any, ...]:
    """The set of ``items`` as a tuple in value order."""
    return tuple(items) if len(items) < 2 else tuple(sorted(set(items), key=key))


class MapNode(Node):
    """A map as a dict in value order of its keys."""

    def __init__(self, key: Node, value: Node) -> None:
        self.key, self.value, self.name = key, value, f"Map<{key.name}, {value.name}>"

    def children(self) -> tuple[Node, ...]:
        return (self.key, self.value)

    def to_json(self, value: Any) -> Any:
        ordered = sort_map(value, self.key.order_key())
        return {
            str(self.key.to_json(key)): self.value.to_json(item) for key, item in ordered.items()
        }

    def from_json(self, data: Any) -> Any:
        if not isinstance(data, JsonObject):
            raise json_mismatch("an object", data)
        entries = {self.key.from_json(key): self.value.from_json(item) for key, item in data}
        return sort_map(entries, self.key.order_key())


def sort_map(entries: Any, key: Callable[[Any], Any] | None) -> dict[Any, Any]:
    """The map with its keys in value order."""
    if len(entries) < 2:
        return dict(entries)
    return {name: entries[name] for name in sorted(entries, key=key)}


class TupleNode(Node):
    """A tuple of differently typed members; JSON array."""

    def __init__(self, items: tuple[Node, ...]) -> None:
        self.items, self.name = items, f"({', '.join(item.name for item in items)})"

    def children(self) -> tuple[Node, ...]:
        return self.items

    def min_size(self) -> int:
        return sum(item.min_size() for item in self.items)

    def to_json(self, value: Any) -> Any:
        return [node.to_json(item) for node, item in zip(self.items, value, strict=True)]

    def from_json(self, data: Any) -> Any:
        if type(data) is not list or len(data) != len(self.items):
            raise json_mismatch(f"an array of {len(self.items)}", data)
        return tuple(node.from_json(item) for node, item in zip(self.items, data, strict=True))


class RecordNode(Node):
    """A struct: a `Record` class and its fields in declaration order.

    ``text_json`` classes have a JSON string (their ``str`` and ``parse``); classes that define
    ``to_json_form`` and ``from_json_form`` bring a JSON form of their own.
    """

    def __init__(self, cls: Any, name: str) -> None:
        self.cls, self.name = cls, name
        self.fields: tuple[tuple[str, Node], ...] = ()
        self.decoded_check = "check_decoded" if hasattr(cls, "check_decoded") else None

    def children(self) -> tuple[Node, ...]:
        return tuple(node for _, node in self.fields)

    def order_key(self) -> Callable[[Any], Any] | None:
        key: Callable[[Any], Any] | None = getattr(self.cls, "order_key", None)
        return key

    def min_size(self) -> int:
        return sum(node.min_size() for _, node in self.fields) if self.fields else 0

    def to_json(self, value: Any) -> Any:
        if self.cls.TEXT_JSON:
            return str(value)
        if hasattr(self.cls, "to_json_form"):
            return value.to_json_form(self)
        return self.fields_to_json(value)

    def fields_to_json(self, value: Any) -> dict[str, Any]:
        """The plain form: an object with every field in order."""
        return {name: node.to_json(getattr(value, name)) for name, node in self.fields}

    def from_json(self, data: Any) -> Any:
        return self._json_reader(data)

    @cached_property
    def _json_reader(self) -> Callable[[Any], Any]:
        """Which of the three JSON forms the class has."""
        if self.cls.TEXT_JSON:
            return self._text_from_json
        if hasattr(self.cls, "from_json_form"):
            return partial(self.cls.from_json_form, self)
        return self.fields_from_json

    def _text_from_json(self, data: Any) -> Any:
        if type(data) is not str:
            raise json_mismatch(f"{self.name} as a string", data)
        return self.cls.parse(data)

    def fields_from_json(self, data: Any) -> Any:
        """Read the plain form: an object, or an array of the fields in order."""
        if type(data) is list:
            if len(data) != len(self.fields):
                raise json_mismatch(f"{self.name} with {len(self.fields)} fields", data)
            found = {name: item for (name, _), item in zip(self.fields, data, strict=True)}
        else:
            found = collect_fields(data, self._field_names)
        values = [
            node.from_json(found[name]) if name in found else self._absent(name, node)
            for name, node in self.fields
        ]
        value = self.cls(*values)
        if self.decoded_check is not None:
            getattr(value, self.decoded_check)()
        return value

    @cached_property
    def _field_names(self) -> frozenset[str]:
        return frozenset(name for name, _ in self.fields)

    def _absent(self, name: str, node: Node) -> Any:
        """The value of a field that is not there."""
        if isinstance(node, OptionNode):
            return None
        if name in self.cls.JSON_DEFAULTS:
            return self.cls.JSON_DEFAULTS[name]
        raise DecodeError("MissingField", record=self.name, field=name)


def collect_fields(data: Any, known: AbstractSet[str]) -> dict[str, Any]:
    """The known fields of a JSON object; a repeated known field is an error."""
    if not isinstance(data, JsonObject):
        raise json_mismatch("an object", data)
    kept = [pair for pair in data if pair[0] in known]
    found = dict(kept)
    if len(found) < len(kept):
        names = [name for name, _ in kept]
        raise DecodeError("RepeatedField", field=next(n for n in names if names.count(n) > 1))
    return found


class Variant(NamedTuple):
    """One variant of an enum with payload.

    ``shape`` is ``unit``, ``newtype``, ``tuple`` or ``struct`` (payload: a record), or
    ``transparent``: the payload's own values stand for the variant, without a wrapper object.
    """

    name: str
    shape: str
    payload: Node


class EnumNode(Node):
    """An enum with payload: a union of variant classes in index order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.variants: tuple[Variant, ...] = ()
        self.index_of: dict[Any, int] = {}

    def set_variants(self, variants: tuple[Variant, ...]) -> None:
        """Install the variants; transparent ones contribute every class of their payload."""
        self.variants = variants
        for index, variant in enumerate(variants):
            for cls in variant_classes(variant):
                self.index_of[cls] = index

    def children(self) -> tuple[Node, ...]:
        return tuple(variant.payload for variant in self.variants)

    def to_json(self, value: Any) -> Any:
        variant = self.variants[self.index_of[type(value)]]
        node = variant.payload
        if variant.shape == "unit":
            return variant.name
        if variant.shape == "newtype":
            name, inner = node.fields[0]  # type: ignore[attr-defined]  # A record by construction.
            return {variant.name: inner.to_json(getattr(value, name))}
        if variant.shape == "tuple":
            return {variant.name: list(node.fields_to_json(value).values())}  # type: ignore[attr-defined]  # As above.
        return {variant.name: node.to_json(value)}

    def from_json(self, data: Any) -> Any:
        name, payload = split_variant(data)
        for variant in self.variants:
            if variant.name == name:
                return _variant_from_json(variant, payload, data)
        raise json_mismatch(f"a variant of {self.name}", data)


def variant_classes(variant: Variant) -> tuple[Any, ...]:
    """The Python classes whose values are this variant."""
    if isinstance(variant.payload, EnumNode):
        return tuple(variant.payload.index_of)
    return (variant.payload.cls,)  # type: ignore[attr-defined]  # A record by construction.


def _variant_from_json(variant: Variant, payload: Any, data: Any) -> Any:
    node = variant.payload
    if variant.shape == "unit":
        if payload is not None:
            raise json_mismatch(f"{variant.name} without content", data)
        return node.cls()  # type: ignore[attr-defined]  # A record by construction.
    if type(data) is str:
        raise json_mismatch(f"{variant.name} with content", data)
    if variant.shape == "newtype":
        return node.cls(node.fields[0][1].from_json(payload))  # type: ignore[attr-defined]  # As above.
    if variant.shape == "tuple" and type(payload) is not list:
        raise json_mismatch("an array", payload)
    return node.from_json(payload)
