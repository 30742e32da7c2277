"""`Batch`: an ordered list of writes to one partition, and its BCS form (spec 03 §4.1).

Operations are applied in order; a later one wins. The list is hashed in the HISTORICAL mode, so
it is kept exactly as staged: no merging and no reordering.
"""

from collections.abc import Iterable

DELETE = 0
DELETE_PREFIX = 1
PUT = 2

WriteOperation = tuple[int, bytes, bytes]
"""(kind, key or prefix, value); the value is empty unless the kind is `PUT`."""


class Batch:
    """Writes to one partition, in order."""

    __slots__ = ("operations",)

    def __init__(self, operations: Iterable[WriteOperation] = ()) -> None:
        self.operations: list[WriteOperation] = list(operations)

    def put(self, key: bytes, value: bytes) -> None:
        """Store ``value`` under ``key``."""
        self.operations.append((PUT, key, value))

    def delete(self, key: bytes) -> None:
        """Remove ``key`` if it is stored."""
        self.operations.append((DELETE, key, b""))

    def delete_prefix(self, prefix: bytes) -> None:
        """Remove every stored key that starts with ``prefix``."""
        self.operations.append((DELETE_PREFIX, prefix, b""))

    def extend(self, other: "Batch") -> None:
        """Append all writes of ``other``."""
        self.operations.extend(other.operations)

    def to_bcs(self) -> bytes:
        """The BCS form that the historical hash covers (spec 03 §4.1)."""
        parts = [uleb128(len(self.operations))]
        for kind, key, value in self.operations:
            parts.append(bytes((kind,)) + uleb128(len(key)) + key)
            if kind == PUT:
                parts.append(uleb128(len(value)) + value)
        return b"".join(parts)

    def __len__(self) -> int:
        return len(self.operations)

    def __repr__(self) -> str:
        return f"Batch({len(self.operations)} writes)"


def uleb128(number: int) -> bytes:
    """The BCS length form of ``number``."""
    if number < 128:
        return _SMALL_LENGTHS[number]
    digits = bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    digits.append(number)
    return bytes(digits)


_SMALL_LENGTHS = tuple(bytes((number,)) for number in range(128))


def prefix_end(prefix: bytes) -> bytes | None:
    """The smallest key above all keys that start with ``prefix``; None when there is none."""
    stripped = prefix.rstrip(b"\xff")
    if not stripped:
        return None
    return stripped[:-1] + bytes((stripped[-1] + 1,))
