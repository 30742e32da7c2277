"""Make the selection of recordings that this repository carries, from the full set beside it.

    python tools/select_recordings.py ../shared/vectors tests/conformance/data

Kept of every file of ``types`` are all entries, of every run its genesis, its history and the final
state of its chains, and of what clients and validators said to each other a part: the calls to some
of the validators, and what commands printed as their results. Texts written by the
reference are replaced: what a file is about, and why a value is refused (only the refusal counts;
names of errors are kept). The formats are those of the full set, compressed with gzip.
"""

import gzip
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from catenula.transport.messages import from_proto_bytes, to_proto_bytes

MAXIMUM_BYTES = 5_000_000
RUN_FILES = ("genesis.json", "history.json.gz", "chains.json.gz")
TRAFFIC = {
    "a-nofees": (0,),
    "d-zerohash": (0,),
    "e-modes": (0, 1, 2),
    "f-lossy": (0, 1, 2, 3),
}
"""The validators of which calls are kept."""
TRAFFIC_FILES = ("rpc.json.gz", "direct_grpc.json.gz", "run.json")
COMMANDS = ("d-zerohash", "e-modes", "f-lossy")
"""The runs of which commands are kept."""
REFERENCE_SIGN = "@"
"""Marks a payload that stands elsewhere in the file."""
REFUSED = "refused"
REFUSED_CERTIFICATE = "refused: a certificate of another type"
"""Kept apart, because such a certificate is a good one that only came to the wrong place."""

ERROR_BRANCH = "12"
"""The first byte of a result that is an error, in hex."""

_ERROR_NAME = re.compile(r"[A-Z][A-Za-z]*")
_VALUES = ("json", "value", "state", "content")
"""Members that hold values of the protocol, whose own members are never texts about them."""


def read(path: Path) -> Any:
    """The JSON value of a plain or compressed file."""
    content = path.read_bytes()
    return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)


def write(path: Path, value: Any) -> int:
    """Write compressed JSON, the same bytes for the same value; returns their number."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    content = gzip.compress(text.encode(), compresslevel=9, mtime=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return len(content)


def without_texts(value: Any) -> Any:
    """A value without the reasons of refusals; names of errors stay."""
    if isinstance(value, list):
        return [without_texts(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: item if name in _VALUES else _member(name, item) for name, item in value.items()}


def _member(name: str, value: Any) -> Any:
    if not isinstance(value, str) or not _is_reason(name, value):
        return without_texts(value)
    return REFUSED_CERTIFICATE if "certificate type" in value else REFUSED


def _is_reason(name: str, value: str) -> bool:
    """Whether a member is prose about a refusal; a ``message`` of one word names a wire message."""
    if name == "message":
        return " " in value
    return name.rsplit("_", maxsplit=1)[-1] == "error" and not _ERROR_NAME.fullmatch(value)


def _without_prose(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry without the printed form of an error, which is prose."""
    if entry.get("type") == "NodeError":
        return {name: item for name, item in entry.items() if name != "display"}
    return entry


def types_file(content: Any) -> Any:
    """A file of golden values: all entries."""
    entries = [
        _without_prose(without_texts(entry))
        for entry in content["entries"]
        if "parsed_block_timestamp" not in entry
    ]
    return {
        "format": content["format"],
        "reference": content["reference"],
        "about": "",
        "entries": entries,
    }


def run_file(content: Any) -> Any:
    """A file of a recorded run: as it is."""
    return content


def direct_file(content: Any) -> Any:
    """Single calls, without what only explains them."""
    return [_call(entry) for entry in content]


def rpc_file(content: Any, validators: tuple[int, ...]) -> Any:
    """The calls to some validators, the marks between them, and the payloads of those calls."""
    calls = [_call(call) for call in content["calls"] if call.get("v", validators[0]) in validators]
    text = json.dumps(calls)
    payloads = {
        name: payload
        for name, payload in content["payloads"].items()
        if f"{REFERENCE_SIGN}{name}" in text
    }
    return {"payloads": payloads, "calls": calls}


def cli_file(content: Any) -> Any:
    """Commands with their results, without what they said beside them."""
    return [
        {name: value for name, value in entry.items() if name not in ("stderr", "seconds")}
        for entry in content
    ]


def _call(entry: dict[str, Any]) -> dict[str, Any]:
    explained = ("details", "node_error", "chain_info")
    kept = {name: value for name, value in entry.items() if name not in explained}
    if "mark" in kept:
        kept["mark"] = re.sub(r"^(cli \d+):.*", r"\1", kept["mark"])
    if kept.get("resp"):
        kept["resp"] = _without_error_text(kept["resp"])
    return kept


def _without_error_text(response: str) -> str:
    """A reply with the text of its error replaced; anything else as it is."""
    if not response.startswith(ERROR_BRANCH):
        return response
    error = from_proto_bytes("ChainInfoResult", bytes.fromhex(response))
    if not hasattr(error, "error"):
        return response
    return to_proto_bytes("ChainInfoResult", type(error)(REFUSED)).hex()


def select(source: Path, target: Path, change: Callable[[Any], Any]) -> int:
    """Copy one recording through ``change``; returns the bytes written."""
    name = source.name.removesuffix(".gz")
    return write(target / f"{name}.gz", change(read(source)))


def select_traffic(source: Path, target: Path) -> int:
    """Copy the kept calls of a run; returns the bytes written."""
    validators = TRAFFIC.get(source.name)
    if validators is None:
        return 0
    changes: dict[str, Callable[[Any], Any]] = {
        "rpc.json.gz": lambda content: rpc_file(content, validators),
        "direct_grpc.json.gz": direct_file,
        "run.json": lambda content: {name: content[name] for name in ("validator_keys", "shards")},
    }
    paths = [source / name for name in TRAFFIC_FILES]
    return sum(select(path, target, changes[path.name]) for path in paths if path.is_file())


def main(source: Path, target: Path) -> int:
    """Write the whole selection; returns the exit status."""
    written = sum(
        select(path, target / "types", types_file)
        for path in sorted((source / "types").glob("*.json"))
    )
    for run in sorted(path for path in (source / "network").iterdir() if path.is_dir()):
        written += sum(
            select(run / name, target / "network" / run.name, run_file) for name in RUN_FILES
        )
        written += select_traffic(run, target / "network" / run.name)
        if run.name in COMMANDS:
            written += select(run / "cli.json", target / "network" / run.name, cli_file)
            written += select(run / "committee.json", target / "network" / run.name, run_file)
    sys.stdout.write(f"{written} bytes written to {target}\n")
    return 0 if written <= MAXIMUM_BYTES else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
