"""Verifying ahead: a process checks signatures of requests that wait for their turn (W8)."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from catenula.base.crypto import SignatureScheme, SignedHash
from catenula.network import Network
from catenula.protocol import BlockProposal, ConfirmedBlockCertificate, LiteCertificate, Signatures
from catenula.testing.keys import account_key, validator_key
from catenula.testing.tiny_network import TinyNetwork, transfer
from catenula.validator import signature_process
from catenula.validator.signature_helper import are_right
from catenula.validator.signature_packets import Request, pack
from catenula.validator.signature_process import SignatureHelper
from catenula.worker.verified import VerifiedSignatures, signed_by_proposer, signed_by_validator
from tests.network.support import agree

PATIENCE_SECONDS = 60.0
SCHEMES = tuple(SignatureScheme)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature_process, "REQUESTS_BEFORE_START", 1)
    monkeypatch.setattr(signature_process, "_cores", lambda: 2)


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
    """Return when everything that was handed over before has been answered and noted."""
    last, marker = VerifiedSignatures(), signed(2_000)
    while marker not in last:
        await at_the_same_time(helper, (last, [marker]))


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
    async def within() -> None:
        async with serving() as helper:
            await asyncio.wait_for(scenario(helper), PATIENCE_SECONDS)

    asyncio.run(within())


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
    monkeypatch.setattr(signature_process, "_cores", lambda: 1)

    async def scenario() -> None:
        helper = SignatureHelper()
        for _ in range(3):
            await at_the_same_time(helper, (VerifiedSignatures(), [signed(0)]))
        helper.wait_until_started()
        assert helper.process is None

    asyncio.run(scenario())


def test_a_helper_that_was_killed_is_not_missed() -> None:
    async def scenario(helper: SignatureHelper) -> None:
        assert helper.process is not None
        helper.process.kill()
        helper.process.wait()
        verified = VerifiedSignatures()
        for _ in range(3):
            await at_the_same_time(helper, (verified, [signed(1)]))
        assert len(verified) == 0

    run(scenario)


def test_what_a_helper_that_hangs_owes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature_process, "MAX_REQUESTS_VERIFIED_AHEAD", 4)

    async def scenario(helper: SignatureHelper) -> None:
        assert helper.process is not None
        helper.process.send_signal(signal.SIGSTOP)
        verified = VerifiedSignatures()
        for number in range(10):
            await at_the_same_time(helper, (verified, [signed(number)]))
        helper.process.send_signal(signal.SIGCONT)
        while len(verified) < 4:
            await at_the_same_time(helper, (VerifiedSignatures(), [signed(0)]))
        await answered(helper)
        assert len(verified) == 4

    run(scenario)


def test_a_full_channel_refuses_what_comes() -> None:
    async def scenario(helper: SignatureHelper) -> None:
        assert helper.process is not None
        helper.process.send_signal(signal.SIGSTOP)
        large, verified = [signed(1)] * 400, VerifiedSignatures()
        for _ in range(20):
            await at_the_same_time(helper, (verified, large))
        helper.process.send_signal(signal.SIGCONT)
        await answered(helper)
        assert len(verified) == 1

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
    verified = VerifiedSignatures()
    helper = SignatureHelper()

    async def begin() -> None:
        await at_the_same_time(helper, (verified, [signed(0)]))
        helper.wait_until_started()
        # This loop ends within a turn that has begun.
        begun = asyncio.ensure_future(helper.verify_ahead(verified, [signed(1)]))
        await asyncio.sleep(0)
        begun.cancel()

    async def go_on() -> None:
        await at_the_same_time(helper, (verified, [signed(2)]))
        await answered(helper)

    asyncio.run(begin())
    asyncio.run(asyncio.wait_for(go_on(), PATIENCE_SECONDS))
    helper.close()
    assert signed(2) in verified


def test_a_forked_process_leaves_the_helper_to_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(helper: SignatureHelper) -> None:
        verified, parent = VerifiedSignatures(), os.getpid()
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: parent + 1)
            for _ in range(3):
                await at_the_same_time(helper, (verified, [signed(1)]))
        assert len(verified) == 0
        await at_the_same_time(helper, (verified, [signed(1)]))
        await answered(helper)
        assert len(verified) == 1

    run(scenario)


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


def test_strangers_and_too_many_signatures_are_not_verified_ahead() -> None:
    network = TinyNetwork(validators=2)
    committee, verified = network.committee, VerifiedSignatures()
    certificate = network.execute(network.chain_ids[0], transfer(network.chain_ids[1]))
    ours, stranger = certificate.signatures[0], validator_key(9).public_key()
    with_stranger = lite_with(certificate, (ours, (stranger, ours[1])))
    assert [item[1][65:] for item in verified.unknown(with_stranger, committee)] == [ours[0]]
    assert verified.unknown(lite_with(certificate, (ours,) * 3), committee) == []


def test_what_was_verified_ahead_is_not_verified_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("verified again")

    network = TinyNetwork(validators=4)
    committee, verified = network.committee, VerifiedSignatures()
    draft = network.draft(network.chain_ids[0], transfer(network.chain_ids[1]))
    proposal, certificate = network.sign(draft), network.confirmed(network.stage(draft))
    with monkeypatch.context() as patch:
        patch.setattr("catenula.worker.verified.check_signature", refuse)
        patch.setattr(BlockProposal, "verify_signature", refuse)
        for item in (signed_by_proposer(proposal), *verified.unknown(certificate, committee)):
            verified.add(item)
        verified.check_proposal(proposal)
        verified.check(
            certificate.lite_value,
            certificate.round,
            certificate.signatures,
            committee=committee,
        )
        other = proposal.replace(content=proposal.content.replace(block=draft.replace(height=7)))
        with pytest.raises(AssertionError, match="verified again"):
            verified.check_proposal(other)


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


def helper_of(network: Network) -> SignatureHelper:
    return network.embedded.signatures


def test_a_network_makes_blocks_with_and_without_its_helper() -> None:
    async def scenario() -> None:
        async with await Network.start() as network:
            alice, bob = await network.wallet("alice", 100), await network.wallet("bob")
            await alice.chain.transfer(bob.chain, 1)
            helper = helper_of(network)
            helper.wait_until_started()
            process = helper.process
            assert process is not None
            for _ in range(5):
                await alice.chain.transfer(bob.chain, 1)
            assert process.poll() is None
            process.kill()
            process.wait()
            for _ in range(5):
                await alice.chain.transfer(bob.chain, 1)
            await agree(network)
            assert await alice.chain.balance() == 89
        assert helper.process is None

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_SECONDS))
