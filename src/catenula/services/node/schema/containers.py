"""Maps, collections, logs, queues and sets of a chain's state as clients see them (spec 08 §2.6).

The names of the types end in a hash of what they hold. Clients that declare variables must know
these names, so they are facts of the interface and stand where the containers are declared.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from catenula.services.node.schema.declaring import Declared, Field, read, record, taken

Show = Callable[[Any], Any]


class Entries(NamedTuple):
    """A map or collection: how its keys are listed, in order, and how one value is read.

    ``get`` gives None for a key that is not there.
    """

    keys: Callable[[], Sequence[Any]]
    get: Callable[[Any], Any]


class Key(NamedTuple):
    """What the keys of a container are: their type in answers and in questions."""

    shown: str
    asked: str
    inputs: str
    """The end of the names of the types with which entries are chosen."""
    show: Show = str
    ask: Callable[[Any], Any] = lambda key: key
    """From a parsed argument to a key of the container."""


class Value(NamedTuple):
    """What the values of a container are; ``kind`` with ``!`` where there is always one."""

    kind: str
    show: Show = lambda value: value


def _limited(items: Sequence[Any], arguments: dict[str, Any]) -> Sequence[Any]:
    count = arguments.get("count")
    return items if count is None else items[:count]


def inputs_of(key: Key) -> tuple[Declared, Declared]:
    """The arguments that choose entries by their keys."""
    chosen = Field("keys", f"[{key.asked}!]", "The keys; all of them when there are none here.")
    filters = Field("filters", f"MapFilters_{key.inputs}", "Which entries.")
    return (
        taken(f"MapInput_{key.inputs}", "Which entries of a container to list.", filters),
        taken(f"MapFilters_{key.inputs}", "Entries chosen by their keys.", chosen),
    )


def entries_view(
    name: str, entry_name: str, key: Key, *, value: Value, is_collection: bool = False
) -> tuple[Declared, Declared]:
    """A map, or a collection of further views; the field's value is `Entries`."""

    def keys(parent: Entries, _context: Any, arguments: dict[str, Any]) -> Any:
        return [key.show(each) for each in _limited(parent.keys(), arguments)]

    def entry(parent: Entries, _context: Any, arguments: dict[str, Any]) -> Any:
        found = key.ask(arguments["key"])
        return found, parent.get(found)

    def entries(parent: Entries, _context: Any, arguments: dict[str, Any]) -> Any:
        filters = (arguments.get("input") or {}).get("filters") or {}
        asked = filters.get("keys")
        chosen = parent.keys() if asked is None else [key.ask(each) for each in asked]
        return [(each, parent.get(each)) for each in chosen]

    def show_value(pair: tuple[Any, Any]) -> Any:
        return None if pair[1] is None else value.show(pair[1])

    several = "keys" if is_collection else "keys(count: Int)"
    view = record(
        name,
        "Values by key.",
        Field(several, f"[{key.shown}!]!", "The keys in order.", keys),
        Field("count", "Int!", "How many keys there are.", read(lambda all_: len(all_.keys()))),
        Field(f"entry(key: {key.asked}!)", f"{entry_name}!", "The value of one key.", entry),
        Field(
            f"entries(input: MapInput_{key.inputs})",
            f"[{entry_name}!]!",
            "Keys and their values; all of them when none are chosen.",
            entries,
        ),
    )
    pair = record(
        entry_name,
        "A key and its value.",
        Field("key", f"{key.shown}!", "The key.", read(lambda pair: key.show(pair[0]))),
        Field("value", value.kind, "What belongs to it.", read(show_value)),
    )
    return view, pair


def log_view(name: str, kind: str, show: Show = lambda item: item) -> Declared:
    """A log: the field's value is a `LogView`."""

    def entries(parent: Any, _context: Any, arguments: dict[str, Any]) -> Any:
        return [show(each) for each in parent.read(arguments.get("start") or 0, arguments["end"])]

    def read_entries(parent: Any, context: Any, arguments: dict[str, Any]) -> Any:
        return entries(parent, context, {"end": None, **arguments})

    return record(
        name,
        "Values in the order in which they came; none is ever removed.",
        Field("count", "Int!", "How many there are.", read(len)),
        Field(
            "entries(start: Int, end: Int)",
            f"[{kind}!]!",
            "The values from `start` to before `end`.",
            read_entries,
        ),
    )


def queue_view(name: str, kind: str, show: Show = lambda item: item) -> Declared:
    """A queue: the field's value is a sequence."""

    def entries(parent: Sequence[Any], _context: Any, arguments: dict[str, Any]) -> Any:
        return [show(each) for each in _limited(parent, arguments)]

    return record(
        name,
        "Values that wait, in order.",
        Field("count", "Int!", "How many wait.", read(len)),
        Field("entries(count: Int)", f"[{kind}!]!", "The first of them.", entries),
    )


def set_view(name: str, kind: str, show: Show = lambda item: item) -> Declared:
    """A set: the field's value is a sequence."""

    def elements(parent: Sequence[Any], _context: Any, arguments: dict[str, Any]) -> Any:
        return [show(each) for each in _limited(parent, arguments)]

    return record(
        name,
        "Values without order, each once.",
        Field("elements(count: Int)", f"[{kind}!]!", "Some or all of them.", elements),
        Field("count", "Int!", "How many there are.", read(len)),
    )
