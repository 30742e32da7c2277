"""One declaration per type, three codecs: BCS, bincode 1.3 and JSON (spec 01 §1, §7.1).

A type is declared by its Python annotations: a `Record` class with its fields in wire order, a
union registered with `declare_enum`, an identifier, an integer `NewType`, ``tuple[T, ...]`` (Vec),
`SetOf` (set), ``Mapping[K, V]`` (map), ``T | None`` (Option) or ``tuple[A, B]``.
Every decoder is total: any input gives a value or a `DecodeError`.
"""

from catenula.base.codec.codec import Codec, codec_by_name, codec_of, register_name
from catenula.base.codec.json_text import parse_json, write_json
from catenula.base.codec.record import (
    MemoRecord,
    Record,
    SetOf,
    VariantEnum,
    VariantSpec,
    declare_enum,
    newtype,
    transparent,
    tuple_variant,
)

from catenula.base.codec import scalars  # isort: skip  # Registers scalar types.

__all__ = [
    "Codec",
    "MemoRecord",
    "Record",
    "SetOf",
    "VariantEnum",
    "VariantSpec",
    "codec_by_name",
    "codec_of",
    "declare_enum",
    "newtype",
    "parse_json",
    "register_name",
    "scalars",
    "transparent",
    "tuple_variant",
    "write_json",
]
