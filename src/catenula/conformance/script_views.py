"""Builds the view that a recorded script describes, and reads its keys and values from JSON."""

from collections.abc import Callable
from typing import Any

from catenula.base.codec import codec_by_name
from catenula.base.errors import DecodeError
from catenula.protocol import registry as _registry  # noqa: F401  # Registers the type names.
from catenula.views import (
    RAW,
    BucketQueueView,
    ByteMapView,
    CollectionView,
    Context,
    HashedByteMapView,
    HashedCollectionView,
    HashedKeyValueStoreView,
    HashedMapView,
    HashedReentrantCollectionView,
    HashedRegisterView,
    HashedSetView,
    HistoricalView,
    KeyValueStoreView,
    LazyRegisterView,
    LogView,
    MapView,
    QueueView,
    ReentrantCollectionView,
    RegisterView,
    SetView,
    StructView,
    View,
)

Description = dict[str, Any]


class RawValues:
    """Type ``raw``: hex in JSON, the bytes themselves when stored."""

    to_bcs = staticmethod(RAW.to_bcs)
    from_bcs = staticmethod(RAW.from_bcs)
    default = b""

    def from_json(self, data: str) -> bytes:
        """The bytes of a hex text."""
        return bytes.fromhex(data)

    def to_json(self, value: bytes) -> str:
        """Hex."""
        return value.hex()


class BigEndianKeys:
    """The keys of the reference's Custom containers in the scripts: u128, 16 bytes big-endian."""

    default = 0

    def to_bcs(self, value: int) -> bytes:
        """16 bytes, most significant first."""
        return value.to_bytes(16, "big")

    def from_bcs(self, data: bytes) -> int:
        """Read exactly 16 bytes."""
        if len(data) != 16:
            raise DecodeError("InvalidLength", what="u128 key", length=len(data), expected=16)
        return int.from_bytes(data, "big")

    def from_json(self, data: int) -> int:
        """The number."""
        return data

    def to_json(self, value: int) -> int:
        """The number."""
        return value


_DEFAULTS: dict[str, Any] = {"str": "", "bytes": b"", "bool": False}


class NamedValues:
    """A type known to the codec."""

    def __init__(self, name: str) -> None:
        codec = codec_by_name(name)
        self.to_bcs, self.from_bcs = codec.to_bcs, codec.from_bcs
        self.from_json, self.to_json = codec.from_json, codec.to_json
        self.default = _DEFAULTS.get(name, () if name.startswith("Vec<") else 0)


def values_of(name: str) -> Any:
    """The codec of a type named in a script."""
    if name == "raw":
        return RawValues()
    if name.startswith("u128 (16 bytes"):
        return BigEndianKeys()
    return NamedValues(name)


class ScriptStruct(StructView):
    """A struct with the described fields."""

    __slots__ = ()

    def __init__(self, context: Context, descriptions: list[Description]) -> None:
        super().__init__(context)
        self.set_fields(
            *(build_view(item, context.field(i)) for i, item in enumerate(descriptions))
        )


_REGISTERS: dict[str, Any] = {
    "RegisterView": RegisterView,
    "LazyRegisterView": LazyRegisterView,
    "HashedRegisterView": HashedRegisterView,
}
_MAPS: dict[str, Any] = {
    "MapView": MapView,
    "HashedMapView": HashedMapView,
    "CustomMapView": MapView,
    "HashedCustomMapView": HashedMapView,
}
_BYTE_MAPS: dict[str, Any] = {
    "ByteMapView": ByteMapView,
    "HashedByteMapView": HashedByteMapView,
}
_SETS: dict[str, Any] = {
    "SetView": SetView,
    "HashedSetView": HashedSetView,
    "CustomSetView": SetView,
    "HashedCustomSetView": HashedSetView,
    "ByteSetView": SetView,
}
_COLLECTIONS: dict[str, Any] = {
    "CollectionView": CollectionView,
    "CustomCollectionView": CollectionView,
    "ByteCollectionView": CollectionView,
    "HashedCollectionView": HashedCollectionView,
    "HashedCustomCollectionView": HashedCollectionView,
    "ReentrantCollectionView": ReentrantCollectionView,
    "ReentrantCustomCollectionView": ReentrantCollectionView,
    "ReentrantByteCollectionView": ReentrantCollectionView,
    "HashedReentrantCollectionView": HashedReentrantCollectionView,
    "HashedReentrantCustomCollectionView": HashedReentrantCollectionView,
}


def build_view(description: Description, context: Context) -> View:
    """The view of a description at ``context``."""
    kind = description["kind"]
    for kinds, build in _BUILDERS:
        if kind in kinds:
            view: View = build(kinds[kind], description, context)
            return view
    raise DecodeError("UnknownView", kind=kind)


def _build_register(make: Any, description: Description, context: Context) -> Any:
    values = values_of(description["value"])
    return make(context, values, values.default)


def _build_map(make: Any, description: Description, context: Context) -> Any:
    values = values_of(description["value"])
    return make(context, values_of(description["key"]), values, default=values.default)


def _build_byte_map(make: Any, description: Description, context: Context) -> Any:
    values = values_of(description["value"])
    return make(context, values, default=values.default)


def _build_set(make: Any, description: Description, context: Context) -> Any:
    return make(context, values_of(description["key"]))


def _build_collection(make: Any, description: Description, context: Context) -> Any:
    sub = description["sub"]
    return make(context, values_of(description["key"]), lambda place: build_view(sub, place))


def _build_store(make: Any, _: Description, context: Context) -> Any:
    return make(context)


def _build_log(make: Any, description: Description, context: Context) -> Any:
    return make(context, values_of(description["value"]))


def _build_queue(make: Any, description: Description, context: Context) -> Any:
    return make(context, values_of(description["value"]), rewrite_unchanged=True)


def _build_bucket_queue(make: Any, description: Description, context: Context) -> Any:
    codec = codec_by_name(f"Vec<{description['value']}>")
    size = description["bucket_size"]
    return make(context, codec, bucket_size=size, rewrite_unchanged=True)


def _build_struct(make: Any, description: Description, context: Context) -> Any:
    return make(context, description["fields"])


def _build_historical(make: Any, description: Description, context: Context) -> Any:
    inner = build_view(description["inner"], make.inner_context(context))
    return make(context, inner)


_BUILDERS: tuple[tuple[dict[str, Any], Callable[[Any, Description, Context], Any]], ...] = (
    (_REGISTERS, _build_register),
    (_MAPS, _build_map),
    (_BYTE_MAPS, _build_byte_map),
    (_SETS, _build_set),
    (_COLLECTIONS, _build_collection),
    (
        {
            "KeyValueStoreView": KeyValueStoreView,
            "HashedKeyValueStoreView": HashedKeyValueStoreView,
        },
        _build_store,
    ),
    ({"LogView": LogView}, _build_log),
    ({"QueueView": QueueView}, _build_queue),
    ({"BucketQueueView": BucketQueueView}, _build_bucket_queue),
    ({"struct": ScriptStruct}, _build_struct),
    ({"Historical": HistoricalView}, _build_historical),
)
