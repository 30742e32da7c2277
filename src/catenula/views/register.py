"""Registers: one value under the base key itself."""

from collections.abc import Mapping
from typing import Generic, TypeVar

from catenula.storage.batch import Batch
from catenula.views.base import (
    UNKNOWN,
    Context,
    Marker,
    ValueCodec,
    View,
    content_digest,
    decode_stored,
)

T = TypeVar("T")

_Picture = tuple[T, bytes | None, bool]


class RegisterView(View, Generic[T]):
    """One value; ``default`` while nothing is stored. Warm reads cost an attribute access."""

    __slots__ = ("_cleared", "_codec", "_default", "_encoded", "_pending", "_stored", "_value")

    TRACKED = True

    def __init__(self, context: Context, codec: ValueCodec[T], default: T) -> None:
        super().__init__(context)
        self._codec = codec
        self._default = default
        self._stored: T | Marker = UNKNOWN
        self._value: T | Marker = UNKNOWN
        self._encoded: bytes | None = None
        self._pending = False
        self._cleared = False

    def get(self) -> T:
        """The current value."""
        if self._value is UNKNOWN:
            self._load(self.context.partition.get(self.base_key))
        return self._value  # type: ignore[return-value]  # Loaded now.

    def set(self, value: T) -> None:
        """Stage ``value``, also when it equals the current one."""
        self._value = value
        self._encoded = None
        self._pending = True
        self._cleared = False
        self._hash = None
        self.touched = True

    def touch(self) -> T:
        """Write access: stage a copy of the current value; returns it."""
        value = self.get()
        self._pending = True
        self._cleared = False
        self._hash = None
        self.touched = True
        return value

    def encoded(self) -> bytes:
        """The BCS form of the current value, computed once per value."""
        value = self.get()
        if self._encoded is None:
            self._encoded = self._codec.to_bcs(value)
        return self._encoded

    def _load(self, raw: bytes | None) -> None:
        if raw is None:
            self._stored = self._default
        else:
            self._stored = decode_stored(self._codec, raw, self.base_key)
        if self._value is UNKNOWN:
            self._value = self._stored
            self._encoded = raw

    def _write(self, batch: Batch) -> bool:
        if self._cleared:
            batch.delete(self.base_key)
            return True
        if self._pending:
            batch.put(self.base_key, self.encoded())
        return False

    def _mark_saved(self) -> None:
        if self._pending or self._cleared:
            self._stored = self._value
            self._pending = self._cleared = False

    def _rollback(self) -> None:
        if self._pending or self._cleared:
            self._value = self._stored
            self._encoded = None
            self._pending = self._cleared = False

    def _has_pending(self) -> bool:
        return self._pending or self._cleared

    def _clear(self) -> None:
        self._value = self._default
        self._encoded = None
        self._pending = False
        self._cleared = True

    def _compute_hash(self) -> bytes:
        return content_digest(self.encoded())

    def _staged(self) -> _Picture[T | Marker] | None:
        if self._pending or self._cleared:
            return self._value, self._encoded, self._cleared
        return None

    def _restore(self, picture: _Picture[T | Marker]) -> None:
        self._value, self._encoded, self._cleared = picture
        self._pending = not self._cleared

    def _cold_keys(self) -> list[bytes]:
        return [self.base_key] if self._stored is UNKNOWN else []

    def _accept(self, values: Mapping[bytes, bytes | None]) -> None:
        if self._stored is UNKNOWN:
            self._load(values[self.base_key])


class LazyRegisterView(RegisterView[T]):
    """A register for large values: never part of `View.preload`."""

    __slots__ = ()

    def _cold_keys(self) -> list[bytes]:
        return []

    def _accept(self, values: Mapping[bytes, bytes | None]) -> None:
        return


class HashedRegisterView(RegisterView[T]):
    """A register with a stored memo."""

    __slots__ = ()
    HASHED = True
