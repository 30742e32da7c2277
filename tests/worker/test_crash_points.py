"""A crash at every persist point of every handler (W2, S2, C14, C15, M9).

Each scenario is one request that writes. It is broken off before its commit, after it, and between
any two groups of its writes; the node loses its memory, comes back, and the request is repeated.
What is stored then must be what an undisturbed run stores.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.integers import BlockHeight
from catenula.execution.errors import BlobsNotFound, ExecutionError
from catenula.protocol import (
    BlobContent,
    BlobType,
    ChainInfoQuery,
    ChainOwnership,
    ConfirmUpdatedRecipient,
    CrossChainRequest,
    OpenChain,
    OpenChainConfig,
    PublishDataBlob,
    RevertConfirm,
    Round,
    UpdateRecipient,
)
from catenula.testing.faulty_store import Fault, InjectedFault
from catenula.testing.keys import account_key
from catenula.testing.tiny_network import FIRST_ROUND, TinyNetwork, transfer
from catenula.testing.tiny_node import TinyNode
from tests.worker.application_scenarios import APPLICATION_REQUESTS
from tests.worker.epochs import enter_next_epoch

BLOB = BlobContent(BlobType.DATA, b"published")
SECOND_ROUND = Round.multi_leader(1)

Request = Callable[[TinyNode], object]


class Scenario(NamedTuple):
    """How to bring a validator before a request, and that request."""

    prepare: Callable[[TinyNetwork], Request]
    refusal: type[ProtocolError] | None = None
    """The error with which an undisturbed run answers after it has written."""


def _activation(network: TinyNetwork) -> Request:
    chain_id = network.chain_ids[0]
    return lambda node: node.info(chain_id)


def _vote(network: TinyNetwork) -> Request:
    proposal = network.sign(network.draft(network.chain_ids[0], transfer(network.chain_ids[1])))
    return lambda node: node.propose(proposal)


def _fast_vote(network: TinyNetwork) -> Request:
    draft = network.draft(network.chain_ids[2], transfer(network.chain_ids[1]))
    proposal = network.sign(draft, Round.FAST)
    return lambda node: node.propose(proposal)


def _bad_proposal_of_a_later_round(network: TinyNetwork) -> Request:
    draft = network.draft(network.chain_ids[0], transfer(network.chain_ids[1], 10**12))
    proposal = network.sign(draft, SECOND_ROUND)
    return lambda node: node.propose(proposal)


def _proposal_without_its_blob(network: TinyNetwork) -> Request:
    draft = network.draft(network.chain_ids[0], PublishDataBlob(BLOB.hash))
    proposal = network.sign(draft)
    return lambda node: node.propose(proposal)


def _upload(network: TinyNetwork) -> Request:
    request = _proposal_without_its_blob(network)
    with pytest.raises(BlobsNotFound):
        request(network.node)
    return lambda node: node.upload(network.chain_ids[0], BLOB)


def _lock(network: TinyNetwork) -> Request:
    draft = network.draft(network.chain_ids[0], transfer(network.chain_ids[1]))
    network.node.propose(network.sign(draft))
    certificate = network.validated(network.stage(draft))
    return lambda node: node.lock(certificate)


def _lock_without_its_blob(network: TinyNetwork) -> Request:
    draft = network.draft(network.chain_ids[0], PublishDataBlob(BLOB.hash))
    certificate = network.validated(network.stage(draft, blobs=[BLOB]))
    return lambda node: node.lock(certificate)


def _timeout_certificate(network: TinyNetwork) -> Request:
    certificate = network.timed_out(network.chain_ids[0], 0, Round.multi_leader(4))
    return lambda node: node.time_out(certificate)


def _timeout_vote(network: TinyNetwork) -> Request:
    chain_id = network.chain_ids[0]
    network.node.time_out(network.timed_out(chain_id, 0, Round.multi_leader(4)))
    network.clock.advance(20_000_000)
    question = (BlockHeight(0), Round.single_leader(0))
    query = ChainInfoQuery(chain_id, request_leader_timeout=question)
    return lambda node: node.ask(query)


def _block(network: TinyNetwork) -> Request:
    chain_id, other, third = network.chain_ids
    draft = network.draft(chain_id, transfer(other), transfer(third))
    network.node.propose(network.sign(draft))
    certificate = network.confirmed(network.stage(draft))
    return lambda node: node.confirm(certificate)


def _block_with_a_new_chain(network: TinyNetwork) -> Request:
    config = OpenChainConfig(
        ChainOwnership.single(account_key(8).owner()),
        network.node.info(network.chain_ids[0]).chain_balance,
    )
    certificate = network.execute(network.chain_ids[0], OpenChain(config))
    return lambda node: node.confirm(certificate)


def _block_with_an_event(network: TinyNetwork) -> Request:
    published, created = enter_next_epoch(network)
    network.node.confirm(published)
    return lambda node: node.confirm(created)


def _block_without_its_blob(network: TinyNetwork) -> Request:
    draft = network.draft(network.chain_ids[0], PublishDataBlob(BLOB.hash))
    certificate = network.confirmed(network.stage(draft, blobs=[BLOB]))
    return lambda node: node.confirm(certificate)


def _block_above_a_gap(network: TinyNetwork) -> Request:
    chain_id, other, third = network.chain_ids
    network.execute(chain_id, transfer(other))
    certificate = network.execute(chain_id, transfer(third))
    return lambda node: node.confirm(certificate)


def _block_that_anticipates(network: TinyNetwork) -> Request:
    chain_id, other, _ = network.chain_ids
    network.execute(chain_id, transfer(other))
    network.client.deliver()
    certificate = network.execute(other, *network.incoming(other))
    return lambda node: node.confirm(certificate)


def _sent(network: TinyNetwork) -> CrossChainRequest:
    chain_id, other, _ = network.chain_ids
    network.node.confirm(network.execute(chain_id, transfer(other), transfer(other, 2)))
    (request,) = network.node.mail
    network.node.mail.clear()
    return request


def _delivery(network: TinyNetwork) -> Request:
    request = _sent(network)
    return lambda node: node.cross_chain(request)


def _confirmation(network: TinyNetwork) -> Request:
    network.node.cross_chain(_sent(network))
    (confirmation,) = network.node.mail
    network.node.mail.clear()
    assert isinstance(confirmation, ConfirmUpdatedRecipient)
    return lambda node: node.cross_chain(confirmation)


def _revert(network: TinyNetwork) -> Request:
    _sent(network)
    network.node.resend(network.chain_ids[0])
    network.node.deliver()
    request = RevertConfirm(network.chain_ids[0], network.chain_ids[1], BlockHeight(0))
    return lambda node: node.cross_chain(request)


def _trackers(network: TinyNetwork) -> Request:
    chain_id, validator = network.chain_ids[0], network.node.public_key
    return lambda node: node.run(
        lambda worker, _: worker.update_received_trackers(chain_id, {validator: 3})
    )


SCENARIOS = {
    "activation": Scenario(_activation),
    "vote": Scenario(_vote),
    "fast vote": Scenario(_fast_vote),
    "rejected proposal raises the round": Scenario(_bad_proposal_of_a_later_round, ExecutionError),
    "proposal without its blob": Scenario(_proposal_without_its_blob, BlobsNotFound),
    "upload of a blob": Scenario(_upload),
    "lock": Scenario(_lock),
    "lock without its blob": Scenario(_lock_without_its_blob, BlobsNotFound),
    "timeout certificate": Scenario(_timeout_certificate),
    "timeout vote": Scenario(_timeout_vote),
    "block": Scenario(_block),
    "block with a new chain": Scenario(_block_with_a_new_chain),
    "block with an event": Scenario(_block_with_an_event),
    "block without its blob": Scenario(_block_without_its_blob, BlobsNotFound),
    "block above a gap": Scenario(_block_above_a_gap),
    "block that anticipates": Scenario(_block_that_anticipates),
    "delivery": Scenario(_delivery),
    "confirmation": Scenario(_confirmation),
    "revert": Scenario(_revert),
    "received trackers": Scenario(_trackers),
    **{name: Scenario(prepare) for name, prepare in APPLICATION_REQUESTS.items()},
}


def _network() -> TinyNetwork:
    owners = [account_key(number).owner() for number in range(3)]
    fast = ChainOwnership.single_super(owners[2])
    return TinyNetwork(ownerships=[*map(ChainOwnership.single, owners[:2]), fast])


def everything(node: TinyNode) -> dict[bytes, list[tuple[bytes, bytes]]]:
    return {root: node.store.partition(root).scan(b"") for root in node.store.roots(b"")}


def answer(node: TinyNode, scenario: Scenario, request: Request) -> object:
    """The reply of an undisturbed request, or its refusal."""
    if scenario.refusal is None:
        return request(node)
    with pytest.raises(scenario.refusal) as caught:
        request(node)
    return caught.value.code, caught.value.fields


def undisturbed(scenario: Scenario) -> tuple[TinyNetwork, object, int]:
    """The network after the request, its answer, and how many groups of writes it made."""
    network = _network()
    request = scenario.prepare(network)
    groups = 0
    commits = network.node.store.commits
    inner = network.node.store.inner
    commit = inner.commit

    def counting(writes: list[object], fences: tuple[object, ...] = ()) -> None:
        nonlocal groups
        groups = max(groups, len(writes))
        commit(writes, fences)  # type: ignore[arg-type]  # Passed on as they are.

    inner.commit = counting  # type: ignore[method-assign,assignment]  # Counts on the way.
    reply = answer(network.node, scenario, request)
    assert network.node.store.commits == commits + 1
    return network, reply, groups


def about_to_fail(scenario: Scenario, fault: Fault, kept: int) -> tuple[TinyNode, Request]:
    """A prepared node whose next commit fails, and the request that makes it."""
    network = _network()
    request = scenario.prepare(network)
    node = network.node
    node.store.fail_at(node.store.commits + 1, fault, kept_groups=kept)
    return node, request


def crash_points(scenario: Scenario) -> Iterator[tuple[Fault, int]]:
    _, _, groups = undisturbed(scenario)
    yield Fault.BEFORE, 0
    yield Fault.AFTER, 0
    yield from ((Fault.SPLIT, kept) for kept in range(1, groups))


POINTS = [
    pytest.param(scenario, fault, kept, id=f"{name}-{fault.value}-{kept}")
    for name, scenario in SCENARIOS.items()
    for fault, kept in crash_points(scenario)
]


@pytest.mark.parametrize(("scenario", "fault", "kept"), POINTS)
def test_a_request_that_a_crash_broke_off_is_repeated_as_if_nothing_had_been(
    scenario: Scenario, fault: Fault, kept: int
) -> None:
    expected, reply, _ = undisturbed(scenario)
    node, request = about_to_fail(scenario, fault, kept)
    with pytest.raises(InjectedFault):
        request(node)
    node.crash()
    node.check_promises()
    assert answer(node, scenario, request) == reply
    assert everything(node) == everything(expected.node)
    node.crash()
    node.check_promises()


@pytest.mark.parametrize(("scenario", "fault", "kept"), POINTS)
def test_a_failed_write_is_a_local_error_and_the_node_goes_on_without_a_restart(
    scenario: Scenario, fault: Fault, kept: int
) -> None:
    expected, reply, _ = undisturbed(scenario)
    node, request = about_to_fail(scenario, fault, kept)
    with pytest.raises(LocalError):
        request(node)
    node.check_promises()
    assert answer(node, scenario, request) == reply
    assert everything(node) == everything(expected.node)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_what_was_acknowledged_survives_a_crash(scenario: Scenario) -> None:
    network, reply, _ = undisturbed(scenario)
    stored = everything(network.node)
    network.node.crash()
    network.node.check_promises()  # C14, M9
    request = scenario.prepare(_network())
    again = answer(network.node, scenario, request)
    if scenario.refusal is not None:
        assert again == reply
    assert everything(network.node) == stored  # C15


# No second vote


@pytest.mark.parametrize("fault", [Fault.BEFORE, Fault.AFTER])
@pytest.mark.parametrize("round_", [Round.FAST, FIRST_ROUND])
def test_a_vote_that_may_have_been_stored_excludes_any_other(fault: Fault, round_: Round) -> None:
    network = _network()
    chain_id = network.chain_ids[2 if round_.is_fast else 0]
    drafts = [network.draft(chain_id, transfer(network.chain_ids[1], n)) for n in (1, 2)]
    first, second = (network.sign(draft, round_) for draft in drafts)
    node = network.node
    node.store.fail_next(fault)
    with pytest.raises(InjectedFault):
        node.propose(first)
    node.crash()
    if fault is Fault.BEFORE:
        node.propose(second)
        refused = first
    else:
        refused = second
    with pytest.raises(ProtocolError):
        node.propose(refused)  # C2, also kept by the witness of the node.
    node.crash()
    with pytest.raises(ProtocolError):
        node.propose(refused)
    assert len(node.witness.votes) == (fault is Fault.BEFORE)


@pytest.mark.parametrize("fault", [Fault.BEFORE, Fault.AFTER])
def test_a_confirming_vote_that_may_have_been_stored_excludes_any_other(fault: Fault) -> None:
    network = _network()
    chain_id, other, _ = network.chain_ids
    blocks = [network.stage(network.draft(chain_id, transfer(other, n))) for n in (1, 2)]
    first, second = (network.validated(block) for block in blocks)
    node = network.node
    node.store.fail_next(fault)
    with pytest.raises(InjectedFault):
        node.lock(first)
    node.crash()
    accepted, refused = (second, first) if fault is Fault.BEFORE else (first, second)
    node.lock(accepted)
    with pytest.raises(ProtocolError):
        node.lock(refused)
    node.crash()
    with pytest.raises(ProtocolError):
        node.lock(refused)
    node.check_promises()


# Both ends of a delivery


def _ends() -> list[tuple[str, Fault]]:
    return [
        (end, fault) for end in ("recipient", "sender") for fault in (Fault.BEFORE, Fault.AFTER)
    ]


@pytest.mark.parametrize(("end", "fault"), _ends())
def test_a_message_arrives_once_whichever_end_of_its_delivery_crashes(
    end: str, fault: Fault
) -> None:
    network = _network()
    sender, recipient, _ = network.chain_ids
    node = network.node
    update = _sent(network)
    if end == "sender":
        node.cross_chain(update)
        (update,) = node.mail
    node.store.fail_next(fault)
    with pytest.raises(InjectedFault):
        node.cross_chain(update)
    node.crash()
    node.check_promises()
    node.resend(sender)
    node.deliver()
    assert len(node.chain(recipient).inboxes.queued(sender)) == 2  # M2: two bundles, once each.
    assert node.chain(sender).outboxes.counters() == {}  # M13
    assert node.info(recipient).count_received_log == 1
    network.client.deliver()
    node.confirm(network.execute(recipient, *network.incoming(recipient)))
    node.resend(sender)
    assert not any(isinstance(request, UpdateRecipient) for request in node.mail)
    assert node.chain(recipient).inboxes.queued(sender) == []


def test_a_delivery_is_never_confirmed_before_it_is_stored() -> None:
    network = _network()
    update = _sent(network)
    outcome = network.node.worker.handle_cross_chain_request(update, network.clock.now())
    (confirmation,) = outcome.actions.cross_chain_requests
    assert isinstance(confirmation, ConfirmUpdatedRecipient)
    assert outcome.writes  # W3: the driver commits them first.
    network.node.crash()
    recipient = network.node.chain(update.recipient)
    assert recipient.inboxes.state(update.sender).next_height_to_receive == 0
