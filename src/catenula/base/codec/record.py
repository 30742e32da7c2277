"""Declaring wire types: records, enums with payload, enums without, and sets.

Records are immutable `msgspec.Struct` classes; see docs/decisions for why.
"""

import enum
from types import UnionType
from typing import Annotated, Any, ClassVar, NamedTuple, Self, TypeVar

import msgspec

from catenula.base.memo import cached_property

_T = TypeVar("_T")

SET_MARKER = "set"
SetOf = Annotated[tuple[_T, ...], SET_MARKER]
"""A set: a tuple in value order without duplicates."""


class Record(msgspec.Struct, frozen=True):
    """Base of every wire struct: immutable, compared by value, fields in wire order.

    A subclass may define ``check_decoded(self)`` (raise `DecodeError` for received values that
    break a rule of the type), ``order_key(self)`` (value order when it differs from the field
    order), and ``to_json_form`` / ``from_json_form``.
    """

    TEXT_JSON: ClassVar[bool] = False
    """The JSON form is ``str(value)``, read by ``parse``."""
    JSON_DEFAULTS: ClassVar[dict[str, Any]] = {}
    """Fields that may be absent in JSON, with their values."""

    def to_bcs(self) -> bytes:
        """The BCS form."""
        return _codec_of(type(self)).to_bcs(self)  # type: ignore[no-any-return]  # Codec[Any].

    @classmethod
    def from_bcs(cls, data: bytes) -> Self:
        """Read a BCS form; `DecodeError` when it is none."""
        return _codec_of(cls).from_bcs(data)  # type: ignore[no-any-return]  # Codec[Any].

    def to_json(self) -> Any:
        """The JSON form as Python data."""
        return _codec_of(type(self)).to_json(self)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return msgspec.structs.replace(self, **changes)


class MemoRecord(Record, frozen=True, dict=True):
    """A record that remembers its BCS form once computed (``bcs``); for values that are hashed."""

    BCS_MEMO: ClassVar[bool] = True

    def without_memo(self) -> Self:
        """The same value without anything derived from it."""
        return type(self)(*msgspec.structs.astuple(self))

    def as_received(self) -> Self:
        """The same value as a receiver has it: with its bytes, without anything else derived."""
        received = self.without_memo()
        received.__dict__["bcs"] = self.bcs
        return received

    @cached_property
    def bcs(self) -> bytes:
        """The BCS form, computed once."""
        return _codec_of(type(self)).to_bcs(self)  # type: ignore[no-any-return]  # Codec[Any].


_CODECS: dict[Any, Any] = {}
"""The codecs of the classes that were asked for."""


def _codec_of(cls: Any) -> Any:
    found = _CODECS.get(cls)
    if found is None:
        from catenula.base.codec.codec import codec_of  # The codec module imports this one.

        found = _CODECS[cls] = codec_of(cls)
    return found


class VariantEnum(enum.IntEnum):
    """An enum without payload; member names are upper case, variant names in the wire's case."""

    @classmethod
    def variant_name(cls, member: Any) -> str:
        """The protocol's name of a member: ``CHAIN_DESCRIPTION`` → ``ChainDescription``."""
        return "".join(part.capitalize() for part in member.name.split("_"))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The member of a variant name, else `DecodeError`."""
        from catenula.base.errors import DecodeError

        for member in cls:
            if cls.variant_name(member) == text:
                return member
        raise DecodeError("UnknownVariant", enum=cls.__name__, text=text)

    def __str__(self) -> str:
        return self.variant_name(self)


class VariantSpec(NamedTuple):
    """One variant in a `declare_enum` call."""

    name: str
    shape: str
    payload: Any


def newtype(cls: Any, name: str | None = None) -> VariantSpec:
    """A variant with one unnamed field, held by the single field of ``cls``."""
    return VariantSpec(name or cls.__name__, "newtype", cls)


def tuple_variant(cls: Any, name: str | None = None) -> VariantSpec:
    """A variant with several unnamed fields, held by the fields of ``cls``."""
    return VariantSpec(name or cls.__name__, "tuple", cls)


def transparent(name: str, union: Any) -> VariantSpec:
    """A variant whose payload's values stand for it, without an object of its own."""
    return VariantSpec(name, "transparent", union)


class EnumSpec(NamedTuple):
    """A registered enum with payload."""

    name: str
    variants: tuple[VariantSpec, ...]


ENUM_SPECS: dict[Any, EnumSpec] = {}
"""Every declared enum by its union. Filled while modules load, not changed afterwards."""


def declare_enum(name: str, union: UnionType, *variants: Any) -> None:
    """Register the enum ``union`` with its variants in index order.

    A variant is a class (unit or struct variant named like it), or one of `newtype`,
    `tuple_variant`, `transparent`, or a `VariantSpec`.
    """
    specs = tuple(
        variant
        if isinstance(variant, VariantSpec)
        else VariantSpec(
            variant.__name__, "struct" if variant.__struct_fields__ else "unit", variant
        )
        for variant in variants
    )
    ENUM_SPECS[union] = EnumSpec(name, specs)
