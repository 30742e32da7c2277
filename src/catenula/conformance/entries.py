"""One recorded entry under comparison: it notices every field that nobody looked at.

A field of an entry is looked at by `Entry.expect` and its siblings. When the entry is finished, a
field that was not is a difference, so that an unknown field never passes silently.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from catenula.base.errors import InvariantViolation, LocalError, ProtocolError
from catenula.conformance.differences import MAXIMUM_SHOWN_CHARACTERS, differences

ENTRY_ERRORS = (
    *(ProtocolError, LocalError, InvariantViolation, ArithmeticError, AttributeError),
    *(ImportError, LookupError, OSError, RecursionError, TypeError, ValueError),
)
"""What counts as a difference of the entry at hand; recorded data is foreign input."""

_INFORMATION = frozenset(("name", "type", "why"))
"""Fields for people only."""


class Entry:
    """An entry, or a part of one, with the differences found so far."""

    def __init__(self, data: dict[str, Any], where: str = "") -> None:
        self.data = data
        self.found_differences: list[str] = []
        self._where = where
        self._seen: set[str] = set()
        self._parts: list[Entry] = []

    def __getitem__(self, field: str) -> Any:
        self._seen.add(field)
        return self.data[field]

    def __contains__(self, field: str) -> bool:
        return field in self.data

    def raw(self, field: str) -> bytes:
        """The bytes of a hex field."""
        return bytes.fromhex(self[field])

    def ignore(self, *fields: str) -> None:
        """Mark fields as information for people."""
        self._seen.update(fields)

    def parts(self, field: str) -> "Iterator[Entry]":
        """The elements of a list of objects as entries of their own."""
        for index, data in enumerate(self[field]):
            part = Entry(data, f"{self._where}{field}[{index}].")
            self._parts.append(part)
            yield part

    def expect(self, field: str, found: Any) -> None:
        """Compare a field with what was computed."""
        self.compare(field, self[field], found)

    def compare(self, label: str, expected: Any, found: Any) -> None:
        """Compare two values of a check called ``label``."""
        if not _is_same(expected, found):
            self.found_differences += _lines(f"{self._where}{label}", expected, found)

    def complain(self, text: str) -> None:
        """Record a difference."""
        self.found_differences.append(f"{self._where}{text}")

    @contextmanager
    def step(self, label: str) -> Iterator[None]:
        """A check that may raise: the error becomes a difference."""
        try:
            yield
        except ENTRY_ERRORS as error:
            self.complain(f"{label}: {type(error).__name__}: {error}")

    def finish(self) -> list[str]:
        """All differences, with the fields that nobody looked at."""
        found = list(self.found_differences)
        for part in self._parts:
            found += part.finish()
        for field in self.data:
            if field not in self._seen and field not in _INFORMATION:
                found.append(f"{self._where}{field}: nothing compares this field")
        return found


def _is_same(expected: Any, found: Any) -> bool:
    """Equality of JSON data that tells ``true`` from ``1``; the order of fields has no meaning."""
    return bool(expected == found) and _text(expected) == _text(found)


def _text(data: Any) -> bytes:
    return msgspec.json.encode(data, order="sorted")


def _lines(label: str, expected: Any, found: Any) -> list[str]:
    """The differences; of long texts the part from where they differ."""
    if isinstance(expected, str) and isinstance(found, str):
        size = max(len(expected), len(found))
        if size > MAXIMUM_SHOWN_CHARACTERS:
            start = _first_difference(expected, found)
            part = slice(start, start + MAXIMUM_SHOWN_CHARACTERS)
            lengths = f"of {len(found)} and {len(expected)}"
            where = f"{label}: from character {start} {lengths}"
            return [f"{where} found {found[part]!r}, expected {expected[part]!r}"]
    return [str(difference) for difference in differences(label, found, expected)]


def _first_difference(left: str, right: str) -> int:
    pairs = enumerate(zip(left, right, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(left), len(right)))
