"""What a worker keeps in memory, and what it forgets (W2)."""

import pytest

from catenula.base.errors import InvariantViolation, LocalError
from catenula.chain.chain_state import ChainState
from catenula.protocol import ChainInfoQuery, Round
from catenula.storage.engine import Partition
from catenula.testing.keys import validator_key
from catenula.testing.tiny_network import TinyNetwork, transfer
from catenula.worker import WorkerConfig
from catenula.worker.block_cache import BlockCache
from catenula.worker.step import Step
from catenula.worker.verified import VerifiedSignatures, signed_by_validator


def cramped() -> TinyNetwork:
    """A validator that keeps two of its three chains in memory."""
    return TinyNetwork(config=WorkerConfig(loaded_chains_limit=2))


def test_the_least_recently_used_chain_is_dropped() -> None:
    network = cramped()
    worker = network.node.worker
    first, second, third = (worker.chain(chain_id) for chain_id in network.chain_ids)
    assert worker.loaded_chains() == 2
    assert worker.chain(network.chain_ids[1]) is second
    assert worker.chain(network.chain_ids[0]) is not first
    assert worker.chain(network.chain_ids[1]) is second
    assert worker.chain(network.chain_ids[2]) is not third


def test_a_dropped_chain_comes_back_as_it_was_stored() -> None:
    network = cramped()
    chain_id, other, third = network.chain_ids
    draft = network.draft(chain_id, transfer(other))
    info = network.node.propose(network.sign(draft))
    for unrelated in (other, third):
        network.node.info(unrelated)
    found = network.node.ask(ChainInfoQuery(chain_id))
    assert found.replace(requested_owner_balance=None) == info


def test_a_chain_with_writes_under_way_is_not_dropped() -> None:
    network = cramped()
    worker, now = network.node.worker, network.clock.now()
    chain_id, other, third = network.chain_ids
    outcome = worker.handle_chain_info_query(ChainInfoQuery(chain_id), now)
    assert outcome.writes
    pinned = worker.chain(chain_id)
    for unrelated in (other, third, other, third):
        worker.chain(unrelated)
    assert worker.chain(chain_id) is pinned
    network.node.store.commit(outcome.writes)
    worker.committed(outcome)
    worker.chain(other)
    worker.chain(third)
    assert worker.loaded_chains() == 2
    assert worker.chain(chain_id) is not pinned


def test_chains_above_the_limit_are_dropped_when_their_writes_are_done() -> None:
    network = cramped()
    worker, now = network.node.worker, network.clock.now()
    outcomes = [
        worker.handle_chain_info_query(ChainInfoQuery(chain_id), now)
        for chain_id in network.chain_ids
    ]
    assert worker.loaded_chains() == 3
    for outcome in outcomes:
        network.node.store.commit(outcome.writes)
        worker.committed(outcome)
    worker.forget_chain(network.chain_ids[0])
    worker.chain(network.chain_ids[0])
    assert worker.loaded_chains() == 2


def test_shared_data_is_not_visible_to_other_chains_before_its_commit() -> None:
    network = TinyNetwork()
    certificate = network.execute(network.chain_ids[0], transfer(network.chain_ids[1]))
    worker = network.node.worker
    outcome = worker.handle_confirmed_certificate(certificate, network.clock.now())
    assert not worker.shared.has_certificate(certificate.hash)  # S3
    network.node.store.commit(outcome.writes)
    worker.committed(outcome)
    assert worker.shared.has_certificate(certificate.hash)


def test_the_chain_comes_last_among_the_writes() -> None:
    network = TinyNetwork()
    certificate = network.execute(network.chain_ids[0], transfer(network.chain_ids[1]))
    outcome = network.node.worker.handle_confirmed_certificate(certificate, network.clock.now())
    tags = [root[:1] for root, _ in outcome.writes]
    assert tags[-1] == b"\x00"  # W4
    assert b"\x00" not in tags[:-1]


class BrokenPartition(Partition):
    """A disk that cannot be read."""

    def get(self, key: bytes) -> bytes | None:
        raise LocalError("the disk is broken", retryable=True)

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        raise LocalError("the disk is broken", retryable=True)

    def scan_keys(self, prefix: bytes) -> list[bytes]:
        raise LocalError("the disk is broken", retryable=True)


def test_a_failing_disk_drops_the_chain_and_nothing_is_half_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = TinyNetwork()
    chain_id = network.chain_ids[0]
    network.node.info(chain_id)
    broken = network.node.chain(chain_id)
    proposal = network.sign(network.draft(chain_id, transfer(chain_id)))
    with monkeypatch.context() as patched:
        patched.setattr(ChainState, "save", _disk_failure)
        with pytest.raises(LocalError, match="disk is broken"):
            network.node.propose(proposal)
    assert network.node.chain(chain_id) is not broken
    assert network.node.info(chain_id).manager.pending is None
    assert network.node.info(chain_id).manager.current_round == Round.multi_leader(0)


def _disk_failure(chain: ChainState, batch: object) -> None:
    raise LocalError("the disk is broken", retryable=True)


def test_a_store_that_cannot_be_read_is_a_local_error(monkeypatch: pytest.MonkeyPatch) -> None:
    network = TinyNetwork()
    monkeypatch.setattr(network.node.store, "partition", lambda root: BrokenPartition())
    with pytest.raises(LocalError, match="disk is broken"):
        network.node.info(network.chain_ids[0])
    assert network.node.worker.loaded_chains() == 0


def test_a_bug_in_a_handler_drops_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    network = TinyNetwork()
    chain_id = network.chain_ids[0]
    network.node.info(chain_id)

    def explode(step: Step, question: ChainInfoQuery) -> None:
        raise InvariantViolation("C2")

    monkeypatch.setattr("catenula.worker.query.handle_chain_info_query", explode)
    with pytest.raises(InvariantViolation):
        network.node.ask(ChainInfoQuery(chain_id))
    assert network.node.worker.loaded_chains() == 0


def test_the_block_cache_forgets_the_oldest() -> None:
    network = TinyNetwork()
    chain_id, other, _ = network.chain_ids
    blocks = [network.stage(network.draft(chain_id, transfer(other, n))) for n in (1, 2, 3)]
    cache = BlockCache(capacity=2)
    for block in blocks:
        cache.put(block)
    assert [cache.get(block.hash) for block in blocks] == [None, blocks[1], blocks[2]]


def test_verified_signatures_are_bounded() -> None:
    network = TinyNetwork()
    block = network.stage(network.draft(network.chain_ids[0], transfer(network.chain_ids[1])))
    (signature,) = network.validated(block).signatures
    verified = VerifiedSignatures(capacity=10)
    keys = [validator_key(number).public_key() for number in range(30)]
    for key in keys:
        verified.add(signed_by_validator(block.hash, key, signature[1]))
    assert len(verified) <= 10
