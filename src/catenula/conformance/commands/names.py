"""Names that differ between a recording and our run: ids, keys, times, ports.

A recorded name and ours are learnt as a pair where they first stand in the same place, and must
stay a pair from then on: neither side may ever meet another partner.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from catenula.conformance.differences import Difference, show

_HEX = r"(?:0x)?[0-9a-fA-F]{40,}"
_DATE = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?"
_MICROSECONDS = r"(?<![0-9.])1[67]\d{14}(?![0-9])"
_ADDRESS = r"localhost:\d+"
_NAME = re.compile(
    rf"(?<![0-9A-Za-z])(?:{_HEX}|{_DATE}|{_MICROSECONDS}|{_ADDRESS})(?![0-9A-Za-z])"
    r"|(?<=protocol: )v[0-9.]+|(?<=/tree/)\S*"
)
"""Names of the last two kinds are those of the program itself."""
_BYTE_DIGITS = 2
_NAME_DIGITS = (64, 40)
"""Lengths of the names that occur inside of encoded data: ids, hashes and owners."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Name(NamedTuple):
    """A name in a text, in the form in which it is learnt, and where it stands."""

    key: str
    start: int
    end: int


def names_in(text: str) -> Iterator[Name]:
    """The names in a text, in order."""
    for match in _NAME.finditer(text):
        yield Name(_key(match.group()), match.start(), match.end())


def _key(text: str) -> str:
    """Owners are written with and without ``0x``, times as dates and as microseconds."""
    if re.fullmatch(_DATE, text):
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
        difference = moment - _EPOCH
        return str(difference // timedelta(microseconds=1))
    return text.removeprefix("0x")


class Names:
    """Pairs of recorded names and ours, each name in one pair at most."""

    def __init__(self) -> None:
        self._ours: dict[str, str] = {}
        self._recorded: dict[str, str] = {}

    def __contains__(self, recorded: str) -> bool:
        return recorded in self._ours

    def learn(self, recorded: str, ours: str) -> bool:
        """Take two names as a pair; False when one of them has another partner."""
        return (
            self._ours.setdefault(recorded, ours) == ours
            and self._recorded.setdefault(ours, recorded) == recorded
        )

    def learn_values(self, recorded: Any, ours: Any) -> None:
        """Learn the names in two JSON values of the same shape."""
        if isinstance(recorded, dict) and isinstance(ours, dict):
            for name, value in recorded.items():
                self.learn_values(value, ours.get(name))
        elif isinstance(recorded, list) and isinstance(ours, list):
            for first, second in zip(recorded, ours, strict=False):
                self.learn_values(first, second)
        elif recorded is not None and ours is not None:
            self._learn_text(str(recorded), str(ours))

    def _learn_text(self, recorded: str, ours: str) -> None:
        pairs = zip(names_in(recorded), names_in(ours), strict=False)
        for first, second in pairs:
            self.learn(first.key, second.key)

    def translate(self, recorded: str) -> str:
        """A recorded text with our names; unknown ones stay as they are."""
        parts, position = [], 0
        for name in names_in(recorded):
            parts.append(recorded[position : name.start])
            text = recorded[name.start : name.end]
            parts.append(text.replace(name.key, self._ours.get(name.key) or self._inside(name.key)))
            position = name.end
        return "".join((*parts, recorded[position:]))

    def _inside(self, recorded: str) -> str:
        """Encoded data with our names in it; names stand there as whole bytes."""
        parts, position = [], 0
        while position < len(recorded):
            found = self._name_at(recorded, position)
            width = _BYTE_DIGITS if found is None else len(found)
            piece = recorded[position : position + width]
            parts.append(piece if found is None else self._ours[found])
            position += width
        return "".join(parts)

    def _name_at(self, recorded: str, position: int) -> str | None:
        candidates = (recorded[position : position + digits] for digits in _NAME_DIGITS)
        return next((name for name in candidates if name in self._ours), None)

    def translate_bytes(self, recorded: bytes) -> bytes:
        """Encoded data with our names in it."""
        return bytes.fromhex(self._inside(recorded.hex()))

    def translate_json(self, recorded: Any) -> Any:
        """A JSON value with our names in its texts, and in its lists of bytes."""
        if isinstance(recorded, dict):
            return {name: self.translate_json(value) for name, value in recorded.items()}
        if isinstance(recorded, str):
            return self.translate(recorded)
        if not isinstance(recorded, list):
            return recorded
        if recorded and all(isinstance(item, int) and 0 <= item < 256 for item in recorded):
            return list(self.translate_bytes(bytes(recorded)))
        return [self.translate_json(item) for item in recorded]

    def compare(self, field: str, found: str, recorded: str) -> list[Difference]:
        """Where two texts differ but for names, whose pairs are learnt.

        Lists and maps are in the order of ids, which are other ids here: a text whose lines are the
        recorded ones in another order is no difference.
        """
        known = (dict(self._ours), dict(self._recorded))
        differences = list(self._in_order(field, found, recorded))
        if differences:
            self._ours, self._recorded = known
            if self._in_any_order(found, recorded):
                return []
        return differences

    def _in_order(self, field: str, found: str, recorded: str) -> Iterator[Difference]:
        ours, theirs = list(names_in(found)), list(names_in(recorded))
        if _without(found, ours) != _without(recorded, theirs):
            yield from _line_differences(field, found, self.translate(recorded))
            return
        for first, second in zip(ours, theirs, strict=True):
            if not self.learn(second.key, first.key):
                expected = self._ours.get(second.key, f"a name that was not seen for {second.key}")
                yield Difference(field, first.key, expected)

    def _in_any_order(self, found: str, recorded: str) -> bool:
        """Whether the lines are the same in another order; learns from lines that occur once."""
        ours = _by_form(found, lambda key: key if key in self._recorded else None)
        theirs = _by_form(recorded, self._ours.get)
        if {form: len(lines) for form, lines in ours.items()} != {
            form: len(lines) for form, lines in theirs.items()
        }:
            return False
        return all(
            self._learn_line(theirs[form][0], lines[0])
            for form, lines in ours.items()
            if len(lines) == 1
        )

    def _learn_line(self, recorded: str, ours: str) -> bool:
        pairs = zip(names_in(recorded), names_in(ours), strict=True)
        return all(self.learn(first.key, second.key) for first, second in pairs)


def _by_form(text: str, known: Callable[[str], str | None]) -> dict[str, list[str]]:
    """Lines by what they say: names as ``known`` gives them, or as unknown.

    The last line of a list in JSON has no comma.
    """
    forms: dict[str, list[str]] = {}
    for line in text.splitlines():
        names = list(names_in(line))
        shown = [*(f"<{known(name.key)}>" for name in names), ""]
        pieces = zip(_without(line.rstrip(","), names), shown, strict=True)
        forms.setdefault("".join(map("".join, pieces)), []).append(line)
    return forms


def _without(text: str, names: list[Name]) -> list[str]:
    parts, position = [], 0
    for name in names:
        parts.append(text[position : name.start])
        position = name.end
    return [*parts, text[position:]]


def _line_differences(field: str, found: str, recorded: str) -> Iterator[Difference]:
    ours, theirs = found.splitlines(), recorded.splitlines()
    for number in range(max(len(ours), len(theirs))):
        first = ours[number] if number < len(ours) else None
        second = theirs[number] if number < len(theirs) else None
        if first != second and not _same_but_names(first, second):
            yield Difference(f"{field} line {number + 1}", show(first), show(second))


def _same_but_names(found: str | None, recorded: str | None) -> bool:
    if found is None or recorded is None:
        return False
    ours, theirs = list(names_in(found)), list(names_in(recorded))
    return _without(found, ours) == _without(recorded, theirs)
