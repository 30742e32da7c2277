"""Maps and sets: entries directly below the base key (spec 03 §2.1, §4.3)."""

from typing import Generic, TypeVar

from catenula.base.errors import invariant
from catenula.views.base import ABSENT, RAW, Context, ValueCodec, decode_stored
from catenula.views.entries import EntryView

K = TypeVar("K")
V = TypeVar("V")


class MapView(EntryView[K, V], Generic[K, V]):
    """A map. ``default`` is what `touch_or_default` stages for an absent key."""

    __slots__ = ("_default",)

    def __init__(
        self,
        context: Context,
        key_codec: ValueCodec[K],
        value_codec: ValueCodec[V],
        *,
        default: V | None = None,
    ) -> None:
        super().__init__(context, key_codec, value_codec)
        self._default = default

    def insert(self, key: K, value: V) -> None:
        """Stage ``value`` for ``key``."""
        self._hash = None
        self.touched = True
        self._staged_entries[key] = value

    def touch(self, key: K) -> V | None:
        """Write access to an existing entry: stage a copy; None (nothing staged) when absent."""
        self._hash = None
        self.touched = True
        found = self._find(key)
        if found is ABSENT:
            return None
        self._staged_entries[key] = found
        return found  # type: ignore[return-value]  # Not a marker.

    def touch_or_default(self, key: K) -> V:
        """Write access: stage the current value, or the default when absent; returns it."""
        found = self.touch(key)
        if found is None:
            invariant(self._default is not None, "V1", map=type(self).__name__)
            found = self._staged_entries[key] = self._default  # type: ignore[assignment]  # Checked.
        return found  # type: ignore[return-value]  # One of the two above.

    def items(self) -> list[tuple[K, V]]:
        """All (key, value), ascending by encoded key."""
        key_codec, value_codec = self._key_codec, self._value_codec
        return [
            (decode_stored(key_codec, key, key), decode_stored(value_codec, value, key))
            for key, value in self.encoded_items()
        ]


class HashedMapView(MapView[K, V]):
    """A map with a stored memo."""

    __slots__ = ()
    HASHED = True


class ByteMapView(MapView[bytes, V]):
    """A map whose keys are raw bytes."""

    __slots__ = ()

    def __init__(
        self, context: Context, value_codec: ValueCodec[V], *, default: V | None = None
    ) -> None:
        super().__init__(context, RAW, value_codec, default=default)


class HashedByteMapView(ByteMapView[V]):
    """A map of raw keys with a stored memo."""

    __slots__ = ()
    HASHED = True


class SetView(EntryView[K, bytes], Generic[K]):
    """A set: entries with empty values."""

    __slots__ = ()

    def __init__(self, context: Context, key_codec: ValueCodec[K]) -> None:
        super().__init__(context, key_codec, RAW)

    def insert(self, key: K) -> None:
        """Stage the presence of ``key``, also when it is stored already."""
        self._hash = None
        self.touched = True
        self._staged_entries[key] = b""


class HashedSetView(SetView[K]):
    """A set with a stored memo."""

    __slots__ = ()
    HASHED = True
