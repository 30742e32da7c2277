"""Files that recorded commands read, made again from what is known of them.

The recording has commands, not the files beside them. What a file held is seen from what was
published or printed; where a command refused its file, any file that must be refused will do.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from catenula.base.compression import decompress
from catenula.base.identifiers import decode_hex
from catenula.base.limits import MAX_WASM_MODULE_BYTES
from catenula.conformance.commands.names import Names
from catenula.conformance.commands.recording import RecordedCommand
from catenula.conformance.recordings import find_recording, read_recording

_ELSEWHERE = "$SHARED/"
_MODULE = ".wasm"
_BLOB_COMMAND = "publish-data-blob"
_TOO_LARGE = bytes(3_000)
"""What a blob holds that was refused for its size; the limit is then 2,000 bytes."""

_CHANGE = re.compile(
    r"[*+] ([0-9a-f]{66})\n\s+(?:New )?Address:\s+(\S+)\n\s+(?:New )?Account Key:\s+([0-9a-f]+)\n"
    r"\s+(?:New )?Votes:\s+(\d+)"
)
_REMOVAL = re.compile(r"^\s+- ([0-9a-f]{66})$", re.MULTILINE)
_QUERIED = re.compile(r"Public key: ([0-9a-f]{66})\nAddress: (\S+)")


class InputFiles:
    """Makes the input files of commands, in the folder where they run."""

    def __init__(self, recorded: Path, folder: Path, names: Names) -> None:
        self._folder, self._names = folder, names
        self._account_keys: dict[str, str] = {}
        self._recorded = recorded
        self._blobs: list[dict[str, str]] | None = None

    def know_account_key(self, public_key: str, account_key: str) -> None:
        """Whose account key is which, in our names."""
        self._account_keys[public_key] = account_key

    def place(self, argument: str) -> str:
        """Where a file lies here that an argument names; other arguments stay as they are."""
        return Path(argument).name if argument.startswith(_ELSEWHERE) else argument

    def prepare(self, command: RecordedCommand) -> None:
        """Write the files that a command reads, if it names one that we have to make."""
        for argument in command.arguments:
            make = self._maker(command, argument)
            if make is not None:
                (self._folder / self.place(argument)).write_bytes(make(command))
            elif argument.endswith(_MODULE):
                self._prepare_module(self.place(argument))

    def _maker(
        self, command: RecordedCommand, argument: str
    ) -> Callable[[RecordedCommand], bytes] | None:
        if argument.startswith("missing"):
            return None
        if _BLOB_COMMAND in command.arguments and argument.endswith(".bin"):
            return self._blob
        if "batch-query" in command.arguments and argument.endswith(".json"):
            return self._queried_validators
        if "update" in command.arguments and argument.endswith(".json"):
            return self._changed_validators
        return None

    def _prepare_module(self, name: str) -> None:
        """The recorded modules are known from what was published; any other is not one."""
        path = self._folder / name
        if name.startswith("missing") or path.exists():
            return
        kind = "Contract" if "contract" in name else "Service"
        found = [blob["bytes"] for blob in self._history_blobs() if blob["type"].startswith(kind)]
        if found and name.startswith("probe"):
            # Applications have published smaller ones.
            compressed = decode_hex(max(found, key=len), "module")
            path.write_bytes(decompress(compressed, MAX_WASM_MODULE_BYTES))
        else:
            path.write_bytes(b"junk")

    def _blob(self, command: RecordedCommand) -> bytes:
        known = self._known_blobs().get(command.output.strip())
        if known is not None:
            return decode_hex(known, "blob")
        file = next(name for name in command.arguments if name.endswith(".bin"))
        path = self._folder / file
        return path.read_bytes() if path.exists() else _TOO_LARGE

    def _known_blobs(self) -> dict[str, str]:
        return {blob["id"].rpartition(":")[2]: blob["bytes"] for blob in self._history_blobs()}

    def _history_blobs(self) -> list[dict[str, str]]:
        if self._blobs is None:
            path = find_recording(self._recorded, "history")
            self._blobs = read_recording(path)["blobs"] if path is not None else []
        return self._blobs

    def _queried_validators(self, command: RecordedCommand) -> bytes:
        entries = [
            {
                "publicKey": key,
                "accountKey": _as_json(self._account_keys[key]),
                "networkAddress": address,
            }
            for key, address in _QUERIED.findall(self._names.translate(command.output))
        ]
        if command.exit:
            entries = [{"publicKey": "nobody"}]
        return json.dumps({"validators": entries}).encode()

    def _changed_validators(self, command: RecordedCommand) -> bytes:
        output = self._names.translate(command.output)
        changes: dict[str, Any] = {
            key: {"accountKey": _as_json(account), "address": address, "votes": int(votes)}
            for key, address, account, votes in _CHANGE.findall(output)
        }
        changes |= dict.fromkeys(_REMOVAL.findall(output))
        if not changes:
            changes = {key: {"accountKey": key} for key in self._account_keys}
        return json.dumps(changes).encode()


def _as_json(account_key: str) -> dict[str, str]:
    """An account key in its JSON form, from its BCS form in hex."""
    return {"Ed25519": account_key[2:]}
