"""Recorded requests to the validators of one run: ``rpc.json`` and ``direct_grpc.json``.

The format is that of ``vectors/network/README.md``. Requests and replies stay raw bytes until they
are played. Times are seconds since the recording began; `RecordedTraffic.started` maps them to the
wall clock.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct

from catenula.base.errors import DecodeError, LocalError
from catenula.base.identifiers import decode_hex
from catenula.base.integers import MICROSECONDS_PER_SECOND, Timestamp
from catenula.conformance.history import RecordedRun, read_run
from catenula.conformance.recordings import find_recording, read_recording
from catenula.protocol import BlockProposal

TRAFFIC, DIRECT, RUN = "rpc", "direct_grpc", "run"

NEVER_ARRIVED = "UNAVAILABLE"
"""The status of a call to a validator that was stopped."""
WENT_AWAY = "CLIENT_CANCELLED"
"""The recorder's mark for a call whose client did not wait for the reply."""
_PROPOSAL = "HandleBlockProposal"
_REFERENCE = "@"


class StreamedMessage(NamedTuple):
    """One message of a server stream; the time is None where it was not recorded."""

    time: float | None
    message: bytes


class RecordedCall(Struct, frozen=True):
    """One call to one validator; ``code`` is None for a stream that was open at the end.

    ``duration`` is None when there was no reply. ``place`` is what exceptions are listed by.
    """

    place: str
    validator: int
    method: str
    time: float
    duration: float | None
    request: bytes
    code: str | None
    response: bytes | None
    stream: tuple[StreamedMessage, ...]


class Mark(NamedTuple):
    """What the recording script noted between calls."""

    text: str

    def restarted_validator(self) -> int | None:
        """The validator that was started again here, if one was."""
        words = self.text.split()
        is_restart = len(words) == 3 and words[0] == "validator" and words[2] == "restarted"
        return int(words[1]) if is_restart else None


Event = RecordedCall | Mark


class RecordedTraffic(Struct, frozen=True):
    """All calls of one run in recorded order, with its history; ``keys`` are the validators'."""

    run: RecordedRun
    keys: tuple[bytes, ...]
    started: Timestamp
    events: tuple[Event, ...]

    @property
    def validators(self) -> list[int]:
        """The validators that were called, by their position in the run."""
        called = {event.validator for event in self.events if isinstance(event, RecordedCall)}
        return sorted(called)

    def at(self, seconds: float) -> Timestamp:
        """The wall clock ``seconds`` after the start."""
        return Timestamp(self.started + round(seconds * MICROSECONDS_PER_SECOND))


def find_traffic(paths: Iterable[Path]) -> list[Path]:
    """The folders of the runs that are meant by paths to them or to folders of them.

    Raises `LocalError` for a path without recorded calls.
    """
    found: list[Path] = []
    for path in paths:
        folders = list(_runs_at(path))
        if not folders:
            raise LocalError(f"there are no recorded calls at {path}", retryable=False)
        found.extend(folders)
    return found


def _runs_at(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        return
    if find_recording(path, TRAFFIC) is not None:
        yield path
        return
    for child in sorted(path.iterdir()):
        yield from _runs_at(child)


def read_traffic(folder: Path) -> RecordedTraffic:
    """Read the calls of a run and the history beside them.

    Raises `LocalError` for files that are missing or cannot be read.
    """
    try:
        recorded = _read(folder, TRAFFIC)
        payloads = recorded["payloads"]
        events = [_read_event(entry, payloads) for entry in recorded["calls"]]
        started = _start_of(events)
        direct = find_recording(folder, DIRECT)
        if direct is not None:
            events = _insert_direct(events, read_recording(direct))
        keys = _read(folder, RUN)["validator_keys"]
    except (KeyError, TypeError) as error:
        raise LocalError(f"{folder} does not hold recorded calls", retryable=False) from error
    history = find_recording(folder, "history")
    if history is None:
        raise LocalError(f"no history lies in {folder}", retryable=False)
    return RecordedTraffic(
        run=read_run(history),
        keys=tuple(decode_hex(key, "validator key") for key, _ in keys),
        started=started,
        events=tuple(events),
    )


def _read(folder: Path, name: str) -> Any:
    path = find_recording(folder, name)
    if path is None:
        raise LocalError(f"no {name}.json lies in {folder}", retryable=False)
    return read_recording(path)


def _read_event(entry: dict[str, Any], payloads: dict[str, str]) -> Event:
    if "mark" in entry:
        return Mark(entry["mark"])

    def payload(value: str) -> bytes:
        text = payloads[value[1:]] if value.startswith(_REFERENCE) else value
        return decode_hex(text, "message")

    response = entry.get("resp")
    return RecordedCall(
        place=str(entry["n"]),
        validator=entry["v"],
        method=entry["m"],
        time=entry["t"],
        duration=entry.get("dt"),
        request=payload(entry["req"]),
        code=entry["code"],
        response=None if response is None else payload(response),
        stream=tuple(
            StreamedMessage(time, payload(message)) for time, message in entry.get("stream", ())
        ),
    )


def _insert_direct(events: list[Event], entries: list[dict[str, Any]]) -> list[Event]:
    """The calls made straight to validator 0 happened when their phase of the script began."""
    position = events.index(Mark("phase direct")) + 1
    time = next(event.time for event in events[position:] if isinstance(event, RecordedCall))
    direct = [_read_direct(number, entry, time) for number, entry in enumerate(entries)]
    return [*events[:position], *direct, *events[position:]]


def _read_direct(number: int, entry: dict[str, Any], time: float) -> RecordedCall:
    response = entry.get("resp")
    return RecordedCall(
        place=f"direct {number} ({entry['name']})",
        validator=0,
        method=entry["method"],
        time=time,
        duration=0,
        request=decode_hex(entry["req"], "message"),
        code=entry["code"],
        response=None if response is None else decode_hex(response, "message"),
        stream=tuple(
            StreamedMessage(None, decode_hex(_streamed_hex(message), "message"))
            for message in entry.get("stream", ())
        ),
    )


def _streamed_hex(message: str | dict[str, Any]) -> str:
    """A message of a stream is recorded in hex, notifications also in words."""
    text = message if isinstance(message, str) else message["bytes"]
    return str(text)


def _start_of(events: Iterable[Event]) -> Timestamp:
    """The wall clock at time 0: no client proposes a block before the block's own timestamp.

    Blocks are stamped a few milliseconds before they are proposed, so the latest start that the
    proposals allow is right to within milliseconds.
    """
    from catenula.transport.messages import from_proto_bytes

    started = 0
    for event in events:
        if not isinstance(event, RecordedCall) or event.method != _PROPOSAL:
            continue
        try:
            proposal: BlockProposal = from_proto_bytes("BlockProposal", event.request)
        except DecodeError:
            continue
        offset = round(event.time * MICROSECONDS_PER_SECOND)
        started = max(started, proposal.content.block.timestamp - offset)
    return Timestamp(started)
