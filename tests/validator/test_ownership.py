"""Several workers over one store: each serves its partitions and no others (W1, S4)."""

import asyncio
from pathlib import Path

import pytest

from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId
from catenula.execution.applications import NativeApplications
from catenula.protocol import ChainInfoQuery, CrossChainRequest
from catenula.storage import Claim, open_store
from catenula.storage.engine import Store
from catenula.storage.memory import MemoryStore
from catenula.testing.faulty_store import FaultyStore
from catenula.testing.tiny_network import TinyNetwork, transfer
from catenula.validator.committer import Committer, GroupCommitter, InlineCommitter
from catenula.validator.driver import NodeDriver
from catenula.validator.ownership import (
    PARTITIONS,
    NotServedHere,
    PartitionOwnership,
    partition_of,
    scope_of,
)
from catenula.worker import Worker, WorkerConfig, initialize_store
from tests.validator.test_driver import run


class Process:
    """One worker of a validator, as it would run in a process of its own."""

    def __init__(
        self, network: TinyNetwork, store: Store, *partitions: int, inline: bool = False
    ) -> None:
        worker = Worker(
            store,
            config=WorkerConfig(),
            secret=network.secrets[0],
            applications=NativeApplications(),
        )
        initialize_store(worker.shared, network.genesis)
        self.elsewhere: list[CrossChainRequest] = []
        self.lost: list[int] = []
        self.ownership = PartitionOwnership(store, partitions, elsewhere=self.elsewhere.append)
        self.ownership.on_loss.append(self.lost.append)
        self.committer: Committer = InlineCommitter(store) if inline else GroupCommitter(store)
        self.driver = NodeDriver(
            worker, committer=self.committer, clock=network.clock, ownership=self.ownership
        )

    async def close(self) -> None:
        await self.driver.stop()
        await self.committer.close()


def partitions_of(network: TinyNetwork) -> list[int]:
    numbers = [partition_of(chain_id) for chain_id in network.chain_ids]
    assert len(set(numbers)) == len(numbers), "the chains of the test lie in different partitions"
    return numbers


def stored(store: Store, chain_id: ChainId) -> list[bytes]:
    return store.partition(b"\x00" + chain_id).scan_keys(b"")


@run
async def test_a_request_for_another_workers_chain_is_refused() -> None:
    network, store = TinyNetwork(), MemoryStore()
    mine, *_ = partitions_of(network)
    process = Process(network, store, mine)
    await process.driver.handle_chain_info_query(ChainInfoQuery(network.chain_ids[0]))
    with pytest.raises(NotServedHere, match="another worker") as caught:
        await process.driver.handle_chain_info_query(ChainInfoQuery(network.chain_ids[1]))
    assert caught.value.retryable
    assert not stored(store, network.chain_ids[1])
    await process.close()


@run
async def test_requests_to_other_workers_chains_go_elsewhere() -> None:
    network, store = TinyNetwork(), MemoryStore()
    mine, *_ = partitions_of(network)
    process = Process(network, store, mine)
    sender, recipient, _ = network.chain_ids
    block = network.execute(sender, transfer(recipient, 1))
    await process.driver.handle_confirmed_certificate(block)
    await process.driver.settled()
    assert [request.recipient for request in process.elsewhere] == [recipient]
    await process.close()


@pytest.mark.parametrize("inline", [True, False])
def test_a_worker_that_was_replaced_writes_nothing_and_says_so(inline: bool) -> None:
    """Invariants S4 and W1: the older worker learns of it with its first write."""

    async def scenario() -> None:
        network, store = TinyNetwork(), FaultyStore(MemoryStore())
        mine, other, _ = partitions_of(network)
        old = Process(network, store, mine, other, inline=inline)
        chain_id, recipient, _ = network.chain_ids
        await old.driver.handle_chain_info_query(ChainInfoQuery(chain_id))
        new = Process(network, store, mine, inline=inline)
        before = stored(store, chain_id)
        block = network.execute(chain_id, transfer(recipient, 1))
        with pytest.raises(NotServedHere):
            await old.driver.handle_confirmed_certificate(block)
        assert stored(store, chain_id) == before
        assert old.lost == [mine]
        assert old.ownership.partitions == {other}
        assert old.driver.worker.loaded_chains() == 0
        response = await new.driver.handle_confirmed_certificate(block)
        assert response.info.next_block_height == 1
        await old.driver.handle_chain_info_query(ChainInfoQuery(recipient))
        await old.close()
        await new.close()

    asyncio.run(scenario())


@run
async def test_a_stale_fence_in_a_batch_refuses_only_its_own_writes() -> None:
    network, store = TinyNetwork(), FaultyStore(MemoryStore())
    process = Process(network, store, *partitions_of(network))
    store.acquire(scope_of(partition_of(network.chain_ids[1])))
    queries = [
        process.driver.handle_chain_info_query(ChainInfoQuery(chain_id))
        for chain_id in network.chain_ids
    ]
    results = await asyncio.gather(*queries, return_exceptions=True)
    assert [isinstance(result, LocalError) for result in results] == [False, True, False]
    assert [bool(stored(store, chain_id)) for chain_id in network.chain_ids] == [True, False, True]
    await process.close()


@run
async def test_who_waits_for_a_delivery_hears_of_the_loss() -> None:
    network, store = TinyNetwork(), MemoryStore()
    mine, *_ = partitions_of(network)
    process = Process(network, store, mine)
    sender, recipient, _ = network.chain_ids
    first, second = (network.execute(sender, transfer(recipient, 1)) for _ in range(2))
    waiting = asyncio.ensure_future(
        process.driver.handle_confirmed_certificate(first, wait_for_outgoing_messages=True)
    )
    await process.driver.settled()
    store.acquire(scope_of(mine))
    with pytest.raises(NotServedHere):
        await process.driver.handle_confirmed_certificate(second)
    with pytest.raises(NotServedHere):
        await waiting
    await process.close()


@run
async def test_a_partition_can_be_taken_back() -> None:
    network, store = TinyNetwork(), MemoryStore()
    mine, *_ = partitions_of(network)
    process = Process(network, store, mine)
    store.acquire(scope_of(mine))
    query = ChainInfoQuery(network.chain_ids[0])
    with pytest.raises(NotServedHere):
        await process.driver.handle_chain_info_query(query)
    process.ownership.regain([mine])
    await process.driver.handle_chain_info_query(query)
    await process.close()


def test_shared_and_exclusive_users_of_a_store_exclude_each_other(tmp_path: Path) -> None:
    """Invariant W1."""
    name = f"sqlite:{tmp_path / 'store'}"
    with open_store(name) as alone, open_store(name) as first, open_store(name) as second:
        first.claim(Claim.SHARED)
        second.claim(Claim.SHARED)
        with pytest.raises(LocalError, match="in use by another process"):
            alone.claim()
        first.close()
        second.close()
        alone.claim()
        with open_store(name) as third, pytest.raises(LocalError, match=r"another process \(\d+\)"):
            third.claim(Claim.SHARED)


def test_a_rocksdb_folder_is_not_shared(tmp_path: Path) -> None:
    with open_store(f"rocksdb:{tmp_path / 'store'}") as store:
        store.claim()
        with pytest.raises(LocalError, match="one process at a time"):
            store.claim(Claim.SHARED)
        with pytest.raises(LocalError, match="in use by another process"):
            open_store(store.name, patience_seconds=0.1)


def test_fenced_commits_of_two_stores_over_one_file(tmp_path: Path) -> None:
    """Invariant S4, with the single statement and with the transaction."""
    name = f"sqlite:{tmp_path / 'store'}"
    with open_store(name) as first, open_store(name) as second:
        for store in (first, second):
            store.claim(Claim.SHARED)
        network = TinyNetwork()
        ours = PartitionOwnership(first, range(PARTITIONS))
        chain_id = network.chain_ids[0]
        fence = ours.fence(chain_id)
        assert second.tokens()[fence.scope] == fence.token
        newer = PartitionOwnership(second, [partition_of(chain_id)]).fence(chain_id)
        assert newer.token == fence.token + 1
        with pytest.raises(LocalError, match="another process owns"):
            first.commit([], [fence])
        second.commit([], [newer])
