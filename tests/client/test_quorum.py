"""Counting answers and acting on a quorum (spec 07 §4)."""

import asyncio

import pytest

from catenula.base.errors import LocalError
from catenula.client.errors import LocalNodeLagging, NoQuorum
from catenula.client.quorum import Counting, Patience, Tally, communicate_with_quorum
from catenula.client.remote_node import RemoteNode
from catenula.client.updater import lagging
from catenula.protocol import BlockHeight, ChainId, NodeErrorReceived
from catenula.protocol.node_error import ChainError, ResponseHandlingError, UnexpectedBlockHeight
from catenula.testing.clock import ManualClock
from tests.client.fakes import committee_of, remote
from tests.client.world import asynchronous, awaited

NODES = [remote(number) for number in range(4)]
EQUAL = committee_of(1, 1, 1, 1)


def identity(answer: str) -> str:
    return answer


def tally() -> Tally[str, str]:
    return Tally(EQUAL, identity)


def test_a_quorum_settles_a_tally() -> None:
    counted = tally()
    for node in NODES[:2]:
        counted.add_answer(node, "yes")
    assert counted.is_settled is False
    counted.add_answer(NODES[2], "yes")
    assert bool(counted.is_settled)
    assert counted.agreement().key == "yes"
    assert len(counted.agreement().answers) == 3


def test_different_answers_are_counted_apart() -> None:
    counted = tally()
    for node, answer in zip(NODES, ("a", "b", "a", "b"), strict=True):
        counted.add_answer(node, answer)
    with pytest.raises(NoQuorum) as caught:
        counted.agreement()
    assert caught.value.votes == (2, 2)
    assert caught.value.groups == ()
    assert "split 2 + 2" in caught.value.message()


def test_a_tally_is_settled_when_a_quorum_is_out_of_reach() -> None:
    counted = tally()
    counted.add_error(NODES[0], LocalError("down", retryable=True))
    assert counted.is_settled is False
    counted.add_error(NODES[1], LocalError("down", retryable=True))
    assert bool(counted.is_settled)
    assert not counted.has_quorum


def test_an_error_of_one_third_is_trusted() -> None:
    counted = tally()
    error = ChainError("no")
    counted.add_error(NODES[0], NodeErrorReceived(error))
    assert counted.failure().trusted is None
    counted.add_error(NODES[1], NodeErrorReceived(error))
    assert counted.failure().trusted == error


def test_errors_are_grouped_by_weight_and_local_ones_by_text() -> None:
    counted = Tally(committee_of(1, 5, 2, 1), identity)
    counted.add_error(NODES[0], NodeErrorReceived(ChainError("a")))
    counted.add_error(NODES[1], LocalError("down", retryable=True))
    counted.add_error(NODES[2], NodeErrorReceived(ChainError("a")))
    assert counted.error_groups() == [(ResponseHandlingError("down"), 5), (ChainError("a"), 3)]


def test_a_lagging_local_node_is_counted_by_what_the_validator_said() -> None:
    counted = tally()
    error = UnexpectedBlockHeight(BlockHeight(5), BlockHeight(3))
    received = NodeErrorReceived(error)
    chain_id = ChainId(bytes(32))
    report = lagging(NODES[0], received, chain_id=chain_id, height=BlockHeight(5))
    counted.add_error(NODES[0], report)
    counted.add_error(NODES[1], received)
    failure = counted.failure()
    assert failure.trusted == error
    assert [node for node, _ in failure.lagging] == [NODES[0]]
    assert isinstance(failure.lagging[0][1], LocalNodeLagging)


Answers = dict[RemoteNode, "asyncio.Future[str] | str | Exception"]


async def ask(
    answers: "Answers",
    *,
    grace: float = 0.0,
    clock: ManualClock | None = None,
) -> list[str]:
    async def action(node: RemoteNode) -> str:
        answer = answers[node]
        if isinstance(answer, asyncio.Future):
            return await answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    agreement = await communicate_with_quorum(
        NODES,
        EQUAL,
        action=action,
        counting=Counting(identity),
        patience=Patience(clock or ManualClock(), grace),
    )
    return [answer for _, answer in agreement.answers]


def never() -> "asyncio.Future[str]":
    return asyncio.get_running_loop().create_future()


@asynchronous
async def test_a_silent_validator_is_not_waited_for_and_is_cancelled() -> None:
    silent = never()
    found = await ask({NODES[0]: "a", NODES[1]: "a", NODES[2]: "a", NODES[3]: silent})
    assert found == ["a", "a", "a"]
    await asyncio.sleep(0)
    assert silent.cancelled()


@asynchronous
async def test_an_answer_beyond_the_quorum_is_neither_verified_nor_counted() -> None:
    verified: list[RemoteNode] = []

    async def action(node: RemoteNode) -> str:
        return "a"

    agreement = await communicate_with_quorum(
        NODES,
        EQUAL,
        action=action,
        counting=Counting(identity, lambda node, _: verified.append(node)),
        patience=Patience(ManualClock()),
    )
    assert verified == NODES[:3]
    assert len(agreement.answers) == 3


@asynchronous
async def test_nothing_is_awaited_once_a_quorum_is_impossible() -> None:
    down = LocalError("down", retryable=True)
    with pytest.raises(NoQuorum) as caught:
        await ask({NODES[0]: down, NODES[1]: down, NODES[2]: never(), NODES[3]: never()})
    reasons = [reason.text for reason in caught.value.explanation.reasons]
    assert len(reasons) == 2
    assert all("down" in text for text in reasons)


@asynchronous
async def test_the_grace_period_collects_further_answers() -> None:
    clock = ManualClock()
    third, late = never(), never()
    task = asyncio.ensure_future(
        ask({NODES[0]: "a", NODES[1]: "a", NODES[2]: third, NODES[3]: late}, grace=0.2, clock=clock)
    )
    await asyncio.sleep(0)
    clock.advance(1_000)
    third.set_result("a")
    await awaited(clock)
    late.set_result("a")
    assert await task == ["a"] * 4


@asynchronous
async def test_the_grace_period_ends() -> None:
    clock = ManualClock()
    third = never()
    answers: Answers = {NODES[0]: "a", NODES[1]: "a", NODES[2]: third, NODES[3]: never()}
    task = asyncio.ensure_future(ask(answers, grace=0.2, clock=clock))
    await asyncio.sleep(0)
    clock.advance(1_000)
    third.set_result("a")
    await awaited(clock)
    clock.advance(200)
    assert await task == ["a"] * 3


@asynchronous
async def test_a_bug_in_an_action_is_not_counted_as_a_validators_error() -> None:
    with pytest.raises(ZeroDivisionError):
        await ask(dict.fromkeys(NODES, ZeroDivisionError()))


@asynchronous
async def test_no_validators_are_no_quorum() -> None:
    with pytest.raises(NoQuorum):
        await communicate_with_quorum(
            [],
            EQUAL,
            action=lambda node: never(),
            counting=Counting(identity),
            patience=Patience(ManualClock()),
        )
