"""Runs the recorded execution states (``execution_state.json``).

Format: ``vectors/types/README.md``, "Execution states". Each entry runs on a fresh memory store;
a difference is one line of text, none means it passed.
"""

from collections.abc import Callable, Mapping
from typing import Any

from catenula.base.codec import Codec, codec_of
from catenula.base.identifiers import AccountOwner, ApplicationId, ChainId
from catenula.base.integers import U32, Amount, Epoch, Timestamp
from catenula.conformance.view_scripts import read_batch, show_batch
from catenula.execution.policy import hash_mode_of
from catenula.execution.state import EventSubscriptions, ExecutionState
from catenula.protocol import (
    ApplicationPermissions,
    BlobId,
    ChainDescription,
    ChainOwnership,
    Committee,
    ResourceControlPolicy,
    StreamId,
)
from catenula.storage import Batch, open_store
from catenula.views import Context, View

_ROOT = b"chain"
_CHAIN_ID = ChainId(bytes(32))
_REGISTERS = (
    "description",
    "epoch",
    "admin_chain_id",
    "committees",
    "ownership",
    "balance",
    "timestamp",
    "closed",
    "application_permissions",
)

Entry = dict[str, Any]


def run_execution_state_entry(entry: Entry) -> list[str]:
    """The differences of one entry of ``execution_state.json``."""
    if entry["type"] == "content":
        return _Content(entry).run()
    return _Sequence(entry).run()


class _Committees:
    """An environment that knows nothing but committees, by the allow lists of a recording."""

    def __init__(self, allow_lists: list[tuple[int, list[str]]]) -> None:
        self._committees = {
            epoch: Committee({}, ResourceControlPolicy(http_request_allow_list=tuple(names)))
            for epoch, names in allow_lists
        }

    def committee(self, epoch: Epoch) -> Committee | None:
        return self._committees.get(epoch)


class _Recording:
    """A state on a fresh store, and the differences found so far."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.store = open_store("memory:")
        self.partition = self.store.partition(_ROOT)
        self.state = self.load()
        self.differences: list[str] = []

    def load(self) -> ExecutionState:
        return ExecutionState(Context(self.partition).field(0), _CHAIN_ID)

    def compare(self, what: str, found: Any, expected: Any) -> None:
        if found != expected:
            self.differences.append(f"{what}: expected {expected!r}, found {found!r}")

    def field(self, name: str) -> Any:
        if name == "stream_event_counts":
            return self.state.stream_event_counts
        return getattr(self.state.system, name)

    def save(self) -> list[list[str]]:
        batch = Batch()
        self.state.save(batch)
        self.store.commit([(_ROOT, batch)])
        return show_batch(batch)

    def stored_pairs(self) -> list[list[str]]:
        return [[key.hex(), value.hex()] for key, value in self.partition.scan(b"")]


class _Content(_Recording):
    """A state given by all its fields; its partial hashes, content hash and legacy state hash."""

    def run(self) -> list[str]:
        self._fill(self.entry["content"])
        hashes = self.entry["hashes"]
        for name, expected in hashes.items():
            if name not in ("stores", "content"):
                self.compare(f"hash of {name}", self._view(name).content_hash().hex(), expected)
        for application, expected in hashes["stores"]:
            store = self.state.users.try_load(ApplicationId.parse(application))
            found = None if store is None else store.content_hash().hex()
            self.compare(f"hash of the store of {application}", found, expected)
        self.compare("content hash", self.state.content_hash().hex(), hashes["content"])
        state_hash = self.state.state_hash(hash_mode_of(()))
        self.compare("state hash", state_hash.hex(), self.entry["state_hash"])
        if "store" in self.entry:
            self.save()
            self.compare("store", self.stored_pairs(), self.entry["store"])
        return self.differences

    def _view(self, name: str) -> View:
        if name in ("system", "users"):
            return getattr(self.state, name)  # type: ignore[no-any-return]  # A field by name.
        return self.field(name)  # type: ignore[no-any-return]  # A field by name.

    def _fill(self, content: Mapping[str, Any]) -> None:
        for name in _REGISTERS:
            self.field(name).set(_value(name, content[name]))
        for name in ("balances", "event_subscriptions", "stream_event_counts"):
            for key, value in content[name]:
                self.field(name).insert(_key(name, key), _value(name, value))
        for blob_id in content["used_blobs"]:
            self.state.system.used_blobs.insert(_key("used_blobs", blob_id))
        for application, entries in content["users"]:
            store = self.state.users.load_or_create(ApplicationId.parse(application))
            store.write_batch(read_batch([["put", key, value] for key, value in entries]))


class _Sequence(_Recording):
    """Blocks on one chain: state hashes, rolling hashes and the writes of each."""

    def run(self) -> list[str]:
        environment = _Committees(self.entry["allow_list_by_epoch"])
        for number, block in enumerate(self.entry["blocks"]):
            for operation in block["operations"]:
                self._apply(operation)
            self._check_block(f"block {number}", block, environment)
            if block.get("reloaded_after"):
                self.state = self.load()
        self.compare("final store", self.stored_pairs(), self.entry["final_store"])
        self._check_content(self.entry["final_content"])
        return self.differences

    def _check_block(self, where: str, block: Entry, environment: _Committees) -> None:
        mode = self.state.hash_mode(environment)
        self.compare(f"{where} mode", mode.name, block["mode"])
        state_hash = self.state.state_hash(mode)
        self.compare(f"{where} state hash", state_hash.hex(), block["state_hash"])
        rolling = self.state.historical_hash.get()
        found = None if rolling is None else rolling.hex()
        self.compare(f"{where} rolling hash", found, block["rolling"])
        if "content_hash" in block:
            found = self.state.content_hash().hex()
            self.compare(f"{where} content hash", found, block["content_hash"])
        picture = self.state.staged()
        self.state.rollback()
        self.state.restore(picture)
        self.compare(f"{where} saved batch", self.save(), block["saved_batch"])

    def _apply(self, step: Entry) -> None:
        if step["op"] == "write_batch":
            application = ApplicationId(bytes.fromhex(step["app"]["bcs"]))
            store = self.state.users.load_or_create(application)
            store.write_batch(read_batch(step["batch"]))
        else:
            _OPERATIONS[step["op"]](self.field(step["field"]), step)

    def _check_content(self, content: Mapping[str, Any]) -> None:
        for name in _REGISTERS:
            self.compare(name, self.field(name).encoded().hex(), content[name]["bcs"])
        for name in ("balances", "event_subscriptions", "stream_event_counts"):
            expected = [(key["bcs"], value["bcs"]) for key, value in content[name]]
            found = [(key.hex(), value.hex()) for key, value in self.field(name).encoded_items()]
            self.compare(name, found, expected)
        used = [key.hex() for key in self.state.system.used_blobs.encoded_keys()]
        self.compare("used_blobs", used, [blob_id["bcs"] for blob_id in content["used_blobs"]])
        self.compare("users", self._users(), content["users"])

    def _users(self) -> list[list[Any]]:
        users = self.state.users
        applications = users.keys()
        shown: list[list[Any]] = []
        for application in applications:
            store = users.try_load(application)
            entries = [] if store is None else store.items()
            shown.append([str(application), [[k.hex(), v.hex()] for k, v in entries]])
        return shown


_KEYS: dict[str, Codec[Any]] = {
    "balances": codec_of(AccountOwner),
    "used_blobs": codec_of(BlobId),
    "event_subscriptions": codec_of(tuple[ChainId, StreamId]),
    "stream_event_counts": codec_of(StreamId),
}
_VALUES: dict[str, Codec[Any]] = {
    "description": codec_of(ChainDescription | None),
    "epoch": codec_of(Epoch),
    "admin_chain_id": codec_of(ChainId | None),
    "committees": codec_of(Mapping[Epoch, Committee]),
    "ownership": codec_of(ChainOwnership),
    "balance": codec_of(Amount),
    "timestamp": codec_of(Timestamp),
    "closed": codec_of(bool),
    "application_permissions": codec_of(ApplicationPermissions),
    "balances": codec_of(Amount),
    "event_subscriptions": codec_of(EventSubscriptions),
    "stream_event_counts": codec_of(U32),
}


def _key(name: str, key: Entry) -> Any:
    return _KEYS[name].from_bcs(bytes.fromhex(key["bcs"]))


def _value(name: str, value: Entry) -> Any:
    return _VALUES[name].from_bcs(bytes.fromhex(value["bcs"]))


def _insert(view: Any, step: Entry) -> None:
    name = step["field"]
    if name == "used_blobs":
        view.insert(_key(name, step["key"]))
    else:
        view.insert(_key(name, step["key"]), _value(name, step["value"]))


def _write_access_default(view: Any, step: Entry) -> None:
    name = step["field"]
    view.touch_or_default(_key(name, step["key"]))
    view.insert(_key(name, step["key"]), _value(name, step["new_value"]))


_OPERATIONS: dict[str, Callable[[Any, Entry], object]] = {
    "set": lambda view, step: view.set(_value(step["field"], step["value"])),
    "write_access": lambda view, step: view.touch(),
    "insert": _insert,
    "remove": lambda view, step: view.remove(_key(step["field"], step["key"])),
    "write_access_existing": lambda view, step: view.touch(_key(step["field"], step["key"])),
    "write_access_default": _write_access_default,
}
