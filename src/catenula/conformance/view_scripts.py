"""Runs the recorded scripts on storage views (``views.json``, ``historical.json``).

Format: ``vectors/types/README.md``, "View scripts". Each entry runs on a fresh memory store; what
it recorded is compared step by step. A difference is one line of text; none means it passed.
"""

from collections.abc import Callable
from typing import Any

from catenula.conformance.script_views import build_view, values_of
from catenula.storage import DELETE, DELETE_PREFIX, PUT, Batch, open_store
from catenula.views import (
    BucketQueueView,
    Context,
    HistoricalView,
    LogView,
    QueueView,
    SetView,
    chain_step,
)

BASE_KEY = bytes.fromhex("ba5e")
_ROOT = b"view"
_KINDS = {"put": PUT, "delete": DELETE, "delete_prefix": DELETE_PREFIX}
_NAMES = {kind: name for name, kind in _KINDS.items()}

Step = dict[str, Any]
Description = dict[str, Any]


def run_view_entry(entry: dict[str, Any]) -> list[str]:
    """The differences of one entry of ``views.json``."""
    return _Script(entry).run()


def run_historical_entry(entry: dict[str, Any]) -> list[str]:
    """The differences of one entry of ``historical.json``."""
    if entry["view"]["kind"] != "step":
        return _Script(entry).run()
    batch = read_batch(entry["batch"])
    differences: list[str] = []
    _compare("batch_bcs", batch.to_bcs().hex(), entry["batch_bcs"], differences)
    result = chain_step(bytes.fromhex(entry["stored"]), batch)
    _compare("result", result.hex(), entry["result"], differences)
    return differences


def read_batch(operations: list[list[str]]) -> Batch:
    """A batch from its JSON form."""
    return Batch(
        (_KINDS[name], bytes.fromhex(key), bytes.fromhex(value[0]) if value else b"")
        for name, key, *value in operations
    )


def show_batch(batch: Batch, base_key: bytes = b"") -> list[list[str]]:
    """The JSON form of a batch, keys without ``base_key``."""
    skip = len(base_key)
    return [
        [_NAMES[kind], key[skip:].hex(), *([value.hex()] if kind == PUT else [])]
        for kind, key, value in batch.operations
    ]


def _compare(what: str, found: Any, expected: Any, differences: list[str]) -> None:
    if found != expected:
        differences.append(f"{what}: expected {expected!r}, found {found!r}")


class _Script:
    """One script on one view of one store."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.entry = entry
        self.description: Description = entry["view"]
        self.store = open_store("memory:")
        self.partition = self.store.partition(_ROOT)
        self.differences: list[str] = []
        self.view = self._load()

    def run(self) -> list[str]:
        """Run all steps; stops at the first step with a difference."""
        for index, step in enumerate(self.entry["steps"]):
            self._step(step, f"step {index} ({step['op']})")
            if self.differences:
                return self.differences
        _compare("final_store", self._stored_pairs(), self.entry["final_store"], self.differences)
        return self.differences

    def _load(self) -> Any:
        return build_view(self.description, Context(self.partition, BASE_KEY))

    def _stored_pairs(self) -> list[list[str]]:
        return [[key.hex(), value.hex()] for key, value in self.partition.scan(BASE_KEY)]

    def _step(self, step: Step, where: str) -> None:
        operation = step["op"]
        if operation == "save":
            self._save(step, where)
        elif operation == "reload":
            self.view = self._load()
        elif operation == "rollback":
            self.view.rollback()
        elif operation == "hash":
            _compare(where, self.view.content_hash().hex(), step["result"], self.differences)
        elif operation == "historical_hash":
            _compare(where, self.view.historical_hash().hex(), step["result"], self.differences)
        elif isinstance(self.view, HistoricalView):
            inner = self.view.inner_for_writing()
            self._apply(inner, self.description["inner"], step, where)
        else:
            self._apply(self.view, self.description, step, where)

    def _save(self, step: Step, where: str) -> None:
        batch = Batch()
        self.view.save(batch)
        self.store.commit([(_ROOT, batch)])
        shown = show_batch(batch, BASE_KEY)
        _compare(f"{where} batch", shown, step["batch"], self.differences)
        _compare(f"{where} store", self._stored_pairs(), step["store"], self.differences)

    def _apply(self, view: Any, description: Description, step: Step, where: str) -> None:
        expected = {
            name: step[name]
            for name in ("result", "found", "count", "front", "back")
            if name in step
        }
        found = _OPERATIONS[step["op"]](view, description, step)
        if step["op"] == "entry" and "sub" in step:
            self._apply(found, description["sub"], step["sub"], f"{where} {step['sub']['op']}")
        elif step["op"] == "field":
            field = description["fields"][step["field"]]
            self._apply(found, field, step["sub"], f"{where} {step['sub']['op']}")
        elif expected:
            shown = {name: found[name] for name in expected}
            _compare(where, shown, expected, self.differences)


def _key(description: Description, step: Step) -> Any:
    return values_of(description["key"]).from_json(step["key"])


def _value(description: Description, step: Step) -> Any:
    return values_of(description["value"]).from_json(step["value"])


def _insert(view: Any, description: Description, step: Step) -> None:
    if "value" in step:
        view.insert(_key(description, step), _value(description, step))
    else:
        view.insert(_key(description, step))


def _touch(view: Any, description: Description, step: Step) -> Step:
    if "key" not in step:
        view.touch()
        return {}
    return {"found": view.touch(_key(description, step)) is not None}


def _read(view: Any, description: Description, _: Step) -> Step:
    if isinstance(view, LogView):
        return _show_sequence(view.read(), description, len(view))
    if isinstance(view, QueueView | BucketQueueView):
        shown = _show_sequence(view.items(), description, len(view))
        ends = {"front": view.front(), "back": view.back()}
        values = values_of(description["value"])
        return shown | {
            name: None if value is None else values.to_json(value) for name, value in ends.items()
        }
    keys = values_of(description["key"])
    if isinstance(view, SetView):
        return {"result": [keys.to_json(key) for key in view]}
    values = values_of(description["value"])
    return {"result": [[keys.to_json(key), values.to_json(value)] for key, value in view.items()]}


def _show_sequence(found: list[Any], description: Description, count: int) -> Step:
    values = values_of(description["value"])
    return {"result": [values.to_json(value) for value in found], "count": count}


def _try_load(view: Any, description: Description, step: Step) -> Step:
    found = view.try_load(_key(description, step))
    if found is None:
        return {"result": None}
    return {"result": values_of(description["sub"]["value"]).to_json(found.get())}


def _find_by_prefix(view: Any, _: Description, step: Step) -> Step:
    found = view.find_by_prefix(bytes.fromhex(step["prefix"]))
    return {"result": [[key.hex(), value.hex()] for key, value in found]}


def _indices(view: Any, description: Description, _: Step) -> Step:
    keys = values_of(description["key"])
    return {"result": [keys.to_json(key) for key in view]}


_OPERATIONS: dict[str, Callable[[Any, Description, Step], Any]] = {
    "clear": lambda view, description, step: view.clear(),
    "set": lambda view, description, step: view.set(_value(description, step)),
    "get": lambda view, description, step: {
        "result": values_of(description["value"]).to_json(view.get())
    },
    "get_mut": _touch,
    "get_mut_or_default": lambda view, description, step: view.touch_or_default(
        _key(description, step)
    ),
    "push": lambda view, description, step: view.push(_value(description, step)),
    "push_back": lambda view, description, step: view.push_back(_value(description, step)),
    "delete_front": lambda view, description, step: view.delete_front(),
    "insert": _insert,
    "remove": lambda view, description, step: view.remove(_key(description, step)),
    "remove_by_prefix": lambda view, description, step: view.remove_by_prefix(
        bytes.fromhex(step["key"])
    ),
    "write_batch": lambda view, description, step: view.write_batch(read_batch(step["batch"])),
    "read": _read,
    "indices": _indices,
    "find_by_prefix": _find_by_prefix,
    "try_load_entry": _try_load,
    "entry": lambda view, description, step: view.load_or_create(_key(description, step)),
    "remove_entry": lambda view, description, step: view.remove(_key(description, step)),
    "reset_entry_to_default": lambda view, description, step: view.reset_to_default(
        _key(description, step)
    ),
    "field": lambda view, description, step: view.fields[step["field"]],
}
