"""Recorded calls get the recorded replies, and whatever does not fit is found and named."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from catenula.base.errors import LocalError
from catenula.cli.main import main
from catenula.conformance.report import Report
from catenula.conformance.traffic import run_traffic
from catenula.conformance.traffic.exceptions import (
    Exceptions,
    Move,
    exceptions_of,
    read_exceptions,
)
from catenula.conformance.traffic.player import ValidatorPlayer
from catenula.conformance.traffic.recording import (
    Event,
    Mark,
    RecordedCall,
    RecordedTraffic,
    StreamedMessage,
    find_traffic,
    read_traffic,
)
from catenula.execution.wasm.loader import WasmApplications
from catenula.protocol import ChainInfo, ChainInfoResponse, LiteVote, node_error
from catenula.transport.messages import from_proto_bytes, to_proto_bytes
from tests.conftest import RECORDED

NETWORK = RECORDED / "network"
APPLICATIONS = WasmApplications()
PASSED_AND_SKIPPED = {
    "a-nofees": (2073, 19),
    "d-zerohash": (901, 0),
    "e-modes": (1819, 0),
    "f-lossy": (653, 4),
}


@pytest.fixture(scope="module")
def short_run() -> RecordedTraffic:
    """Calls to four validators, which lose messages on purpose; no application runs."""
    return read_traffic(NETWORK / "f-lossy")


@pytest.fixture(scope="module")
def long_run() -> RecordedTraffic:
    """Calls to one validator, with conflicts of wallets and single calls made on purpose."""
    return read_traffic(NETWORK / "a-nofees")


def play(traffic: RecordedTraffic, index: int, exceptions: Exceptions | None = None) -> Report:
    """Play one validator with the exceptions listed for its run, or with others."""
    listed = exceptions_of(traffic.run.name) if exceptions is None else exceptions
    player = ValidatorPlayer(traffic, index, listed, applications=APPLICATIONS)
    asyncio.run(player.play(listed.in_order(traffic.events)))
    return player.report


def change_call(
    traffic: RecordedTraffic, place: str, change: Callable[[RecordedCall], RecordedCall]
) -> RecordedTraffic:
    """The recording with one call changed."""

    def changed(event: Event) -> Event:
        is_meant = isinstance(event, RecordedCall) and event.place == place
        return change(event) if isinstance(event, RecordedCall) and is_meant else event

    return replace(traffic, events=tuple(map(changed, traffic.events)))


def call_of(traffic: RecordedTraffic, method: str, index: int = 0) -> RecordedCall:
    """The first call of a method to a validator that was answered with a chain's info."""
    return next(
        event
        for event in traffic.events
        if isinstance(event, RecordedCall)
        and (event.method, event.validator) == (method, index)
        and is_answered_with_info(event)
    )


def is_answered_with_info(call: RecordedCall) -> bool:
    """Whether the call has a reply about its chain."""
    if not call.response:
        return False
    return isinstance(from_proto_bytes("ChainInfoResult", call.response), ChainInfoResponse)


def with_info(call: RecordedCall, change: Callable[[ChainInfo], ChainInfo]) -> RecordedCall:
    """The call with another answer about its chain."""
    response = from_proto_bytes("ChainInfoResult", call.response or b"")
    changed = ChainInfoResponse(change(response.info), response.signature)
    return replace(call, response=to_proto_bytes("ChainInfoResult", changed))


def fields_of(report: Report) -> list[str]:
    """The fields named by the only failure."""
    assert report.failed == 1
    return [difference.partition(":")[0] for difference in report.failures[0].differences]


@pytest.mark.parametrize("run", PASSED_AND_SKIPPED)
def test_every_call_of_a_run_gets_the_recorded_reply(run: str) -> None:
    report = run_traffic([NETWORK / run], processes=1)
    assert report.failures == []
    assert (report.passed, report.skipped) == PASSED_AND_SKIPPED[run]


def test_processes_share_the_work(short_run: RecordedTraffic) -> None:
    report = run_traffic([NETWORK / "f-lossy"], processes=2)
    assert (report.passed, report.failed, report.skipped) == (
        *PASSED_AND_SKIPPED["f-lossy"][:1],
        0,
        4,
    )


def test_a_changed_field_of_a_reply_is_named(short_run: RecordedTraffic) -> None:
    call = call_of(short_run, "HandleChainInfoQuery")

    def raise_balance(info: ChainInfo) -> ChainInfo:
        return info.replace(chain_balance=type(info.chain_balance)(info.chain_balance + 1))

    traffic = change_call(short_run, call.place, lambda call: with_info(call, raise_balance))
    assert fields_of(play(traffic, 0)) == ["chain_balance"]


def test_a_vote_that_is_not_over_our_value_is_found(short_run: RecordedTraffic) -> None:
    call = call_of(short_run, "HandleBlockProposal")

    def vote_otherwise(info: ChainInfo) -> ChainInfo:
        vote = info.manager.pending
        assert vote is not None
        other = call_of(short_run, "HandleBlockProposal", 1)
        theirs = from_proto_bytes("ChainInfoResult", other.response or b"").info.manager.pending
        forged = LiteVote(vote.value, vote.round, theirs.signature)
        return info.replace(manager=info.manager.replace(pending=forged))

    traffic = change_call(short_run, call.place, lambda call: with_info(call, vote_otherwise))
    assert fields_of(play(traffic, 0)) == ["manager.pending.signature"]


def test_another_status_is_found(short_run: RecordedTraffic) -> None:
    call = call_of(short_run, "HandleChainInfoQuery")
    traffic = change_call(
        short_run, call.place, lambda call: replace(call, code="NOT_FOUND", response=None)
    )
    assert fields_of(play(traffic, 0)) == ["status"]


@pytest.mark.parametrize(("height", "found"), [(0, []), (1, ["reply"])])
def test_texts_of_errors_are_not_compared_but_their_kinds_are(
    short_run: RecordedTraffic, height: int, found: list[str]
) -> None:
    call = call_of(short_run, "HandleChainInfoQuery")
    ask_for_timeout_vote = b"\x42\x10" + height.to_bytes(8, "little") + bytes(8)
    request = call.request + ask_for_timeout_vote
    response = to_proto_bytes("ChainInfoResult", node_error.ChainError("anything"))
    traffic = change_call(
        short_run, call.place, lambda call: replace(call, request=request, response=response)
    )
    report = play(traffic, 0)
    assert (fields_of(report) if report.failed else []) == found


def test_messages_that_arrive_late_fail_unless_they_are_listed(short_run: RecordedTraffic) -> None:
    report = play(short_run, 1, Exceptions((), ()))
    assert report.failed == 2
    assert report.failures[1].differences[0].startswith("reply:")
    assert play(short_run, 1).failed == 0


def test_calls_recorded_in_the_wrong_order_fail_unless_they_are_listed(
    long_run: RecordedTraffic,
) -> None:
    listed = exceptions_of("a-nofees")
    assert any(move.call == "1954" for move in listed.moves)
    assert play(long_run, 0, Exceptions((), ())).failed == 1


def test_a_listed_call_is_played_before_the_other(short_run: RecordedTraffic) -> None:
    events = short_run.events
    first, second = [event for event in events if isinstance(event, RecordedCall)][:2]
    moved = Exceptions((Move(second.place, first.place),), ()).in_order(events)
    assert moved.index(second) + 1 == moved.index(first)
    absent = Exceptions((Move("nothing", first.place),), ()).in_order(events)
    assert tuple(absent) == events


def test_too_long_a_list_is_refused(short_run: RecordedTraffic) -> None:
    calls = [event.place for event in short_run.events if isinstance(event, RecordedCall)]
    moves = tuple(Move(call, calls[0]) for call in calls[:7])
    with pytest.raises(LocalError, match="f-lossy"):
        Exceptions(moves, ()).check("f-lossy", short_run.events)
    Exceptions(moves[:6], ()).check("f-lossy", short_run.events)


def test_exceptions_of_unknown_runs_are_none() -> None:
    assert exceptions_of("another") == read_exceptions({}) == Exceptions((), ())


def test_streams_are_compared(long_run: RecordedTraffic) -> None:
    call = next(
        event
        for event in long_run.events
        if isinstance(event, RecordedCall) and event.method == "Subscribe" and len(event.stream) > 1
    )

    def without_last(call: RecordedCall) -> RecordedCall:
        surplus = StreamedMessage(call.time, b"\x0a\x00")
        return replace(call, stream=(*call.stream[:-1], surplus))

    report = play(change_call(long_run, call.place, without_last), 0)
    assert fields_of(report) == ["stream"]


def test_marks_name_restarted_validators() -> None:
    assert Mark("validator 3 restarted").restarted_validator() == 3
    assert Mark("validator 3 stopped").restarted_validator() is None
    assert Mark("phase lag").restarted_validator() is None


def test_paths_without_calls_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="no recorded calls"):
        find_traffic([tmp_path])
    (tmp_path / "rpc.json").write_text("[]")
    with pytest.raises(LocalError, match="does not hold recorded calls"):
        read_traffic(tmp_path)


def test_command_prints_the_counts() -> None:
    arguments = ["conformance", "traffic", str(NETWORK / "f-lossy"), "--processes", "1"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0
    assert result.output.endswith("653 passed, 0 failed, 4 skipped\n")
