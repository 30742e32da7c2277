"""Runs recorded files of types: every entry of every file of the format of vectors/types.

What an entry checks follows from its fields, never from its name or its file. An entry that no
runner understands has failed.
"""

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from catenula.conformance import certificate_entries, key_fields, rpc_entries, text_entries
from catenula.conformance.entries import ENTRY_ERRORS, Entry
from catenula.conformance.recordings import is_recording, read_recording
from catenula.conformance.report import Report
from catenula.conformance.value_entries import run_value_entry

FORMAT = 1
"""The format of files that this module reads."""

_BY_TYPE: dict[str, Callable[[Entry], None]] = {
    "AccountSecretKey": key_fields.run_secret_key_entry,
    "ValidatorSignature": key_fields.run_validator_signature_entry,
    "bytes32_to_owner": text_entries.run_owner_entry,
    "certificate_checks": certificate_entries.run_certificate_checks_entry,
    "decompress": text_entries.run_decompress_entry,
    "signature_order": certificate_entries.run_signature_order_entry,
}
_BY_FIELD: tuple[tuple[str, Callable[[Entry], None]], ...] = (
    ("codec", text_entries.run_decode_entry),
    ("text", text_entries.run_text_entry),
    ("json_text", text_entries.run_json_text_entry),
    ("sorted", text_entries.run_order_entry),
    ("signature_bcs", key_fields.run_account_signature_entry),
    ("from_bytes", key_fields.run_public_key_entry),
    ("json", run_value_entry),
)
"""The first field that an entry has decides."""

_SCRIPTS_BY_TYPE: dict[str, str] = {
    "manager_trace": "catenula.conformance.manager_scripts:run_manager_entry",
    "leaders": "catenula.conformance.manager_scripts:run_consensus_entry",
    "ownership_functions": "catenula.conformance.manager_scripts:run_consensus_entry",
    "thresholds": "catenula.conformance.manager_scripts:run_consensus_entry",
    "content": "catenula.conformance.execution_scripts:run_execution_state_entry",
    "sequence": "catenula.conformance.execution_scripts:run_execution_state_entry",
}
"""Entries that need upper layers: ``module:function``, imported when met."""

_VIEW_SCRIPT = "catenula.conformance.view_scripts:run_view_entry"
_HISTORICAL_SCRIPT = "catenula.conformance.view_scripts:run_historical_entry"
_HISTORICAL_KINDS = ("Historical", "step")


def run_types(paths: Iterable[Path | str]) -> Report:
    """Compare every entry of the files, and of the files of the directories, in ``paths``."""
    report = Report()
    for path in _files(Path(path) for path in paths):
        run_file(path, report)
    return report


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(filter(is_recording, path.iterdir()))
        else:
            yield path


def run_file(path: Path, report: Report) -> None:
    """Compare every entry of one file; a file that cannot be read is a `LocalError`."""
    document = read_recording(path)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        report.add(path.name, [f"format: not a file of format {FORMAT}"])
        return
    entries = document.get("entries")
    if not isinstance(entries, list):
        report.add(path.name, ["entries: not a list"])
        return
    for number, entry in enumerate(entries):
        name = entry.get("name", f"#{number}") if isinstance(entry, dict) else f"#{number}"
        report.add(f"{path.name}: {name}", run_entry(entry))


def run_entry(data: Any) -> list[str]:
    """The differences of one entry, one line each."""
    if not isinstance(data, dict):
        return ["the entry is not an object"]
    try:
        script = _script_of(data)
        if script is not None:
            found: list[str] = script(data)
            return found
        return _run(data)
    except ENTRY_ERRORS as error:
        return [f"{type(error).__name__}: {error}"]


def _script_of(data: dict[str, Any]) -> Callable[[dict[str, Any]], list[str]] | None:
    if "view" in data:
        is_historical = data["view"].get("kind") in _HISTORICAL_KINDS
        target = _HISTORICAL_SCRIPT if is_historical else _VIEW_SCRIPT
    elif data.get("type") in _SCRIPTS_BY_TYPE:
        target = _SCRIPTS_BY_TYPE[data["type"]]
    else:
        return None
    module_name, _, function_name = target.partition(":")
    runner: Callable[[dict[str, Any]], list[str]] = getattr(
        import_module(module_name), function_name
    )
    return runner


def _run(data: dict[str, Any]) -> list[str]:
    runner = _runner_of(data)
    if runner is None:
        return [f"type: no comparison for entries of type {data.get('type')!r}"]
    entry = Entry(data)
    with entry.step("entry"):
        runner(entry)
    return entry.finish()


def _runner_of(data: dict[str, Any]) -> Callable[[Entry], None] | None:
    if "message" in data and "proto" in data:
        if "accepted" in data:
            return rpc_entries.run_received_message_entry
        return rpc_entries.run_message_entry
    if data.get("type") in _BY_TYPE:
        return _BY_TYPE[data["type"]]
    return next((runner for field, runner in _BY_FIELD if field in data), None)
