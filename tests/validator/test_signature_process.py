"""Verifying ahead: a process checks signatures of requests that wait for their turn (W8)."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

from catenula.base.crypto import SignatureScheme, SignedHash
from catenula.network import Network, NetworkChain
from catenula.protocol import BlockProposal, ConfirmedBlockCertificate, LiteCertificate, Signatures
from catenula.testing.keys import account_key, validator_key
from catenula.testing.tiny_network import TinyNetwork, transfer
from catenula.validator import signature_process
from catenula.validator.signature_helper import are_right
from catenula.validator.signature_packets import ANSWER, Request, pack
from catenula.validator.signature_process import SignatureHelper, signature_helper
from catenula.worker.verified import VerifiedSignatures, signed_by_proposer, signed_by_validator
from tests.network.support import agree

PATIENCE_SECONDS = 60.0
SCHEMES = tuple(SignatureScheme)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature_process, "REQUESTS_BEFORE_START", 1)


def signed(number: int, *, scheme: SignatureScheme = SignatureScheme.ED25519) -> SignedHash:
    """A hash, and a right signature of it."""
    key, digest = account_key(number, scheme), number.to_bytes(32, "big")
    return digest, key.sign(digest)


def forged(number: int) -> SignedHash:
    """A hash with the signature of another one."""
    return signed(number)[0], signed(number + 1)[1]


async def at_the_same_time(
    helper: SignatureHelper, *requests: tuple[VerifiedSignatures, list[SignedHash]]
) -> None:
    """Requests that come in one turn, behind one that nobody verifies ahead."""
    first = (VerifiedSignatures(), [signed(1_000)])
    await asyncio.gather(*(helper.verify_ahead(*request) for request in (first, *requests)))


async def answered(helper: SignatureHelper) -> None:
    """Return when everything that was handed over has been answered and noted."""
    while helper.due:
        await at_the_same_time(helper)


def serves(helper: SignatureHelper) -> bool:
    return helper.is_serving


@asynccontextmanager
async def serving() -> AsyncIterator[SignatureHelper]:
    """A helper whose process serves."""
    helper = SignatureHelper()
    try:
        await at_the_same_time(helper, (VerifiedSignatures(), [signed(0)]))
        helper.wait_until_started()
        yield helper
    finally:
        helper.close()


def run(scenario: Callable[[SignatureHelper], Coroutine[Any, Any, None]]) -> None:
    """Run a scenario; nothing may go wrong in what the event loop calls by itself."""
    failed: list[object] = []

    async def within() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
        async with serving() as helper:
            await asyncio.wait_for(scenario(helper), PATIENCE_SECONDS)

    asyncio.run(within())
    assert failed == []


def test_signatures_of_all_schemes_are_verified() -> None:
    async def scenario(helper: SignatureHelper) -> None:
        verified = VerifiedSignatures()
        items = [signed(number, scheme=scheme) for number, scheme in enumerate(SCHEMES)]
        await at_the_same_time(helper, *((verified, [item]) for item in items))
        await answered(helper)
        assert all(item in verified for item in items)

    run(scenario)


def test_a_wrong_signature_is_not_noted_nor_what_came_with_it() -> None:
    async def scenario(helper: SignatureHelper) -> None:
        verified = VerifiedSignatures()
        await at_the_same_time(helper, (verified, [signed(1), forged(2)]), (verified, [signed(3)]))
        await answered(helper)
        assert signed(3) in verified
        assert len(verified) == 1

    run(scenario)


def test_each_node_learns_its_own_verdicts_only() -> None:
    async def scenario(helper: SignatureHelper) -> None:
        one, other = VerifiedSignatures(), VerifiedSignatures()
        await at_the_same_time(helper, (one, [signed(1)]), (other, [signed(2)]))
        await answered(helper)
        assert (signed(1) in one, signed(2) in one) == (True, False)
        assert (signed(1) in other, signed(2) in other) == (False, True)

    run(scenario)


def test_the_first_request_of_a_turn_is_not_handed_over() -> None:
    async def scenario(helper: SignatureHelper) -> None:
        alone = VerifiedSignatures()
        await helper.verify_ahead(alone, [signed(1)])
        await answered(helper)
        assert len(alone) == 0

    run(scenario)


def test_it_starts_only_after_some_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature_process, "REQUESTS_BEFORE_START", 3)

    async def scenario() -> None:
        helper = SignatureHelper()
        for _ in range(2):
            await at_the_same_time(helper, (VerifiedSignatures(), [signed(0)]))
        helper.wait_until_started()
        started = [helper.process is not None]
        await at_the_same_time(helper, (VerifiedSignatures(), [signed(0)]))
        helper.wait_until_started()
        started.append(helper.process is not None)
        helper.close()
        assert started == [False, True]

    asyncio.run(scenario())


def test_a_machine_without_a_second_core_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert signature_helper() is None
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    assert signature_helper() is not None


def test_a_helper_that_was_killed_is_not_missed() -> None:
    async def scenario(helper: SignatureHelper) -> None:
        assert helper.process is not None
        helper.process.kill()
        helper.process.wait()
        for _ in range(3):
            await at_the_same_time(helper, (VerifiedSignatures(), [signed(1)]))
        assert not serves(helper)
        assert helper.due == 0

    run(scenario)


@pytest.mark.parametrize("said", [b"?", ANSWER.pack(1 << 40, True)])
def test_a_helper_that_says_what_makes_no_sense_is_given_up(said: bytes) -> None:
    async def scenario(helper: SignatureHelper) -> None:
        control = helper._helper.control
        assert control is not None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with control, theirs:
            helper._helper._control = ours
            theirs.send(said)
            await at_the_same_time(helper, (VerifiedSignatures(), [signed(1)]))
        assert not serves(helper)
        assert helper.due == 0

    run(scenario)


def test_what_is_no_signature_does_not_end_the_helper() -> None:
    async def scenario(helper: SignatureHelper) -> None:
        verified = VerifiedSignatures()
        no_point = (bytes(32), b"\x01" + bytes(97))
        await at_the_same_time(helper, (verified, [no_point]), (verified, [(b"", b"\x00")]))
        await answered(helper)
        assert len(verified) == 0

    run(scenario)


def test_what_cannot_be_packed_is_not_owed(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with serving() as helper:
            odd: Any = [(object(), b"")]
            await at_the_same_time(helper, (VerifiedSignatures(), odd))
            assert helper.due == 0
            await answered(helper)

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_SECONDS))
    assert "unmarshallable" in caplog.text


def test_what_a_helper_that_hangs_owes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature_process, "MAX_REQUESTS_VERIFIED_AHEAD", 4)

    async def scenario(helper: SignatureHelper) -> None:
        assert helper.process is not None
        await answered(helper)
        helper.process.send_signal(signal.SIGSTOP)
        verified = VerifiedSignatures()
        for number in range(10):
            await at_the_same_time(helper, (verified, [signed(number)]))
        assert helper.due == 4
        helper.process.send_signal(signal.SIGCONT)
        await answered(helper)
        assert [number for number in range(10) if signed(number) in verified] == [0, 1, 2, 3]

    run(scenario)


def test_a_full_channel_refuses_what_comes() -> None:
    async def scenario(helper: SignatureHelper) -> None:
        assert helper.process is not None
        await answered(helper)
        helper.process.send_signal(signal.SIGSTOP)
        large, verified = [signed(1)] * 400, VerifiedSignatures()
        for _ in range(20):
            await at_the_same_time(helper, (verified, large))
        assert 0 < helper.due < 20
        helper.process.send_signal(signal.SIGCONT)
        await answered(helper)
        assert signed(1) in verified
        assert helper.due == 0

    run(scenario)


def test_a_helper_that_hangs_delays_the_end_little() -> None:
    async def scenario() -> None:
        async with serving() as helper:
            process = helper.process
            assert process is not None
            process.send_signal(signal.SIGSTOP)
        assert process.returncode == -signal.SIGKILL

    asyncio.run(scenario())


def test_losing_it_ends_it_though_there_are_copies_of_its_channel() -> None:
    async def scenario(helper: SignatureHelper) -> None:
        control, process = helper._helper.control, helper.process
        assert control is not None
        assert process is not None
        with control.dup():  # As a process has that was forked from this one.
            helper._lose()
            assert process.wait(PATIENCE_SECONDS) == 0

    run(scenario)


def test_of_too_much_at_once_a_part_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[Request] = [(number, [signed(number)]) for number in range(8)]
    monkeypatch.setattr(signature_process, "MAX_PACKET_BYTES", len(pack(requests)) // 2)

    async def scenario(helper: SignatureHelper) -> None:
        verified = VerifiedSignatures()
        await at_the_same_time(helper, *((verified, [signed(number)]) for number in range(8)))
        await answered(helper)
        assert 0 < len(verified) < 8

    run(scenario)


def test_it_serves_one_event_loop_after_the_other() -> None:
    verified, helper = VerifiedSignatures(), SignatureHelper()

    async def begin() -> None:
        await at_the_same_time(helper, (verified, [signed(0)]))
        helper.wait_until_started()

    def begin_turn(_: object) -> None:
        helper.verify_ahead(verified, [signed(1)]).send(None)

    async def go_on() -> None:
        await at_the_same_time(helper, (verified, [signed(2)]))
        await answered(helper)

    loop = asyncio.new_event_loop()
    try:
        beginning = loop.create_task(begin())
        beginning.add_done_callback(begin_turn)
        loop.run_until_complete(beginning)
        loop.close()
        assert helper._turn_of is loop  # It has ended within a turn that had begun.
        asyncio.run(asyncio.wait_for(go_on(), PATIENCE_SECONDS))
    finally:
        helper.close()
    assert signed(2) in verified


def test_a_forked_process_leaves_the_helper_to_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(helper: SignatureHelper) -> None:
        parent = os.getpid()
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: parent + 1)
            assert not serves(helper)
            for _ in range(3):
                await at_the_same_time(helper, (VerifiedSignatures(), [signed(1)]))
            helper.close()
            assert helper.due == 0
        assert serves(helper)
        await answered(helper)

    run(scenario)


def test_a_forked_process_starts_none(monkeypatch: pytest.MonkeyPatch) -> None:
    helper, parent = SignatureHelper(), os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)
    asyncio.run(at_the_same_time(helper, (VerifiedSignatures(), [signed(1)])))
    helper.wait_until_started()
    assert helper.process is None


def test_the_helper_finds_what_is_wrong() -> None:
    assert are_right([])
    for number, scheme in enumerate(SCHEMES, 1):
        digest, signature = signed(number, scheme=scheme)
        assert are_right([(digest, signature)])
        assert not are_right([(digest, signature), (bytes(32), signature)])


# What a worker would have to verify


def lite_with(certificate: ConfirmedBlockCertificate, signatures: Signatures) -> LiteCertificate:
    return LiteCertificate(certificate.lite_value, certificate.round, signatures)


def test_what_a_certificate_needs_is_known_once_its_chain_is_in_memory() -> None:
    network = TinyNetwork(validators=4)
    worker = network.node.worker
    certificate = network.execute(network.chain_ids[0], transfer(network.chain_ids[1]))
    assert worker.unverified(certificate) == []
    network.node.info(network.chain_ids[0])
    worker.committees.get(worker.chain(network.chain_ids[0]).epoch)
    unverified = worker.unverified(certificate)
    assert worker.unverified(certificate.lite()) == unverified
    assert len(unverified) == len(certificate.signatures)
    assert are_right(unverified)


def test_what_will_not_be_verified_is_not_verified_ahead() -> None:
    network = TinyNetwork(validators=4)
    worker, chain_id = network.node.worker, network.chain_ids[0]
    network.node.info(chain_id)
    worker.committees.get(worker.chain(chain_id).epoch)
    certificate = network.execute(chain_id, transfer(network.chain_ids[1]))
    first, *others = certificate.signatures
    stranger = (validator_key(9).public_key(), first[1])
    for signatures in ((stranger, *others), (first,) * 5, (first, others[0])):
        assert worker.unverified(lite_with(certificate, signatures)) == []
    assert worker.unverified(certificate)
    network.node.confirm(certificate)
    assert worker.unverified(certificate) == []


def test_a_proposal_is_verified_ahead_where_its_chain_is_in_memory() -> None:
    network = TinyNetwork()
    worker, chain_id = network.node.worker, network.chain_ids[0]
    proposal = network.sign(network.draft(chain_id, transfer(network.chain_ids[1])))
    assert worker.unverified(proposal) == []
    network.node.info(chain_id)
    assert worker.unverified(proposal) == [signed_by_proposer(proposal)]
    worker.verified.add(signed_by_proposer(proposal))
    assert worker.unverified(proposal) == []


def test_what_was_verified_ahead_is_not_verified_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("verified again")

    network = TinyNetwork(validators=4)
    node, chain_id = network.node, network.chain_ids[0]
    node.info(chain_id)
    draft = network.draft(chain_id, transfer(network.chain_ids[1]))
    block = network.stage(draft)
    with monkeypatch.context() as patch:
        patch.setattr("catenula.worker.verified.check_signature", refuse)
        patch.setattr(BlockProposal, "verify_signature", refuse)
        with pytest.raises(AssertionError, match="verified again"):
            node.propose(network.sign(draft))
        node.info(chain_id)
        for request in (network.sign(draft), network.validated(block), network.confirmed(block)):
            for item in node.worker.unverified(request):
                node.worker.verified.add(item)
        node.propose(network.sign(draft))
        node.lock(network.validated(block))
        node.confirm(network.confirmed(block))
    assert node.info(chain_id).next_block_height == 1


def test_a_verdict_is_for_one_hash_signer_and_signature() -> None:
    network = TinyNetwork(validators=2)
    certificate = network.execute(network.chain_ids[0], transfer(network.chain_ids[1]))
    (one, first), (other, second) = certificate.signatures
    verified = VerifiedSignatures()
    verified.add(signed_by_validator(certificate.hash, one, first))
    assert signed_by_validator(certificate.hash, one, first) in verified
    assert signed_by_validator(certificate.hash, other, first) not in verified
    assert signed_by_validator(certificate.hash, one, second) not in verified
    assert signed_by_validator(network.chain_ids[0], one, first) not in verified


# In a network


class Noted(NamedTuple):
    """What was asked on whose behalf."""

    verified: VerifiedSignatures
    signed: list[SignedHash]


async def blocks(sender: NetworkChain, recipient: NetworkChain, count: int) -> None:
    for _ in range(count):
        await sender.transfer(recipient, 1)


def test_validators_have_proposals_and_certificates_verified_for_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noted: list[Noted] = []
    ahead = SignatureHelper.verify_ahead

    async def note(
        helper: SignatureHelper, verified: VerifiedSignatures, signed: list[SignedHash]
    ) -> None:
        noted.append(Noted(verified, signed))
        await ahead(helper, verified, signed)

    async def scenario() -> None:
        async with await Network.start() as network:
            alice, bob = await network.wallet("alice", 100), await network.wallet("bob")
            await alice.chain.transfer(bob.chain, 1)
            await network.settled()
            monkeypatch.setattr(SignatureHelper, "verify_ahead", note)
            await alice.chain.transfer(bob.chain, 1)
            await network.settled()
            for validator in network.validators:
                assert validator.driver is not None
                verified = validator.driver.worker.verified
                asked = [item for item in noted if item.verified is verified]
                # A proposal, and two certificates without the validator's own votes.
                assert [len(item.signed) for item in asked] in ([1, 3, 3], [1, 2, 3], [1, 2, 2])
                assert are_right([signed for item in asked for signed in item.signed])

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_SECONDS))


def test_a_network_makes_blocks_with_and_without_its_helper() -> None:
    async def scenario() -> None:
        async with await Network.start() as network:
            alice, bob = await network.wallet("alice", 100), await network.wallet("bob")
            await blocks(alice.chain, bob.chain, 1)
            helper = network.embedded.signatures
            assert helper is not None
            helper.wait_until_started()
            process = helper.process
            assert process is not None
            await blocks(alice.chain, bob.chain, 5)
            assert serves(helper)
            process.kill()
            process.wait()
            await blocks(alice.chain, bob.chain, 5)
            assert not serves(helper)
            await agree(network)
            assert await alice.chain.balance() == 89

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_SECONDS))
