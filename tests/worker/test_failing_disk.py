"""A disk that refuses every k-th write, and stores that must not be served."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from catenula.base.errors import LocalError
from catenula.protocol import ChainInfo
from catenula.storage.engine import DamagedStore, open_store
from catenula.storage.memory import MemoryStore
from catenula.storage.shared import SharedStore, chain_root
from catenula.testing.clock import ManualClock
from catenula.testing.faulty_store import Fault, InjectedFault
from catenula.testing.supply import total_balance
from catenula.testing.tiny_network import INITIAL_BALANCE, TinyNetwork, transfer
from catenula.testing.tiny_node import TinyNode
from catenula.worker import initialize_store

_T = TypeVar("_T")


class Patient:
    """Repeats a request that failed locally, and counts the failures."""

    def __init__(self) -> None:
        self.failures = 0

    def __call__(self, request: Callable[[], _T]) -> _T:
        try:
            return request()
        except InjectedFault:
            self.failures += 1
            return request()


@pytest.mark.parametrize("fault", [Fault.BEFORE, Fault.AFTER])
@pytest.mark.parametrize("interval", [2, 3, 5, 7])
def test_work_goes_on_while_every_kth_write_fails(interval: int, fault: Fault) -> None:
    network = TinyNetwork()
    node, patient = network.node, Patient()
    node.store.fail_every(interval, fault)
    for number in range(9):
        chain_id, other = (network.chain_ids[(number + step) % 3] for step in (0, 1))
        draft = network.draft(chain_id, transfer(other, 10), *network.incoming(chain_id))
        block = network.stage(draft)
        proposal, lock = network.sign(draft), network.validated(block)
        final = network.confirmed(block)
        patient(lambda proposal=proposal: node.propose(proposal))  # type: ignore[misc]  # Bound now.
        patient(lambda lock=lock: node.lock(lock))  # type: ignore[misc]  # Bound now.
        patient(lambda final=final: node.confirm(final))  # type: ignore[misc]  # Bound now.
        network.client.confirm(final)
        network.client.deliver()
        while node.mail:
            request = node.mail.pop(0)
            patient(lambda request=request: node.cross_chain(request))  # type: ignore[misc]  # Bound now.
        node.check_promises()
    assert patient.failures >= 9 * 5 // interval
    assert total_balance(node, network.chain_ids) == total_balance(
        network.client, network.chain_ids
    )
    for chain_id in network.chain_ids:
        found: ChainInfo = patient(lambda chain_id=chain_id: node.info(chain_id))  # type: ignore[misc]  # Bound now.
        assert found.next_block_height == 3
        assert found.state_hash == network.client.info(chain_id).state_hash
    node.store.heal()
    node.crash()
    node.check_promises()


def test_a_store_of_another_network_is_refused_by_name() -> None:
    store = MemoryStore("memory:")
    initialize_store(SharedStore(store), TinyNetwork().genesis)
    other = TinyNetwork(validators=2).genesis
    with pytest.raises(LocalError, match="memory: belongs to network 'tiny'"):
        initialize_store(SharedStore(store), other)


def test_initialising_again_changes_nothing_and_a_broken_off_one_is_finished() -> None:
    genesis = TinyNetwork().genesis
    node = TinyNode(genesis, clock=ManualClock())
    before = {root: node.store.partition(root).scan(b"") for root in node.store.roots(b"")}
    initialize_store(node.worker.shared, genesis)
    assert node.store.commits == 0
    fresh = TinyNode(genesis, clock=ManualClock())
    assert {
        root: fresh.store.partition(root).scan(b"") for root in fresh.store.roots(b"")
    } == before


def test_a_changed_byte_in_a_chain_is_never_served(tmp_path: Path) -> None:
    network = TinyNetwork()
    chain_id, other, _ = network.chain_ids
    path = tmp_path / "store"
    location = f"sqlite:{path}"
    with open_store(location) as store:
        node = TinyNode(
            network.genesis, clock=network.clock, secret=network.secrets[0], store=store
        )
        node.confirm(network.execute(chain_id, transfer(other)))
        node.propose(network.sign(network.draft(chain_id, transfer(other))))
        told = node.info(chain_id)
    connection = sqlite3.connect(path, isolation_level=None)
    rows = connection.execute(
        "SELECT key, value FROM entries WHERE root = ?", (chain_root(chain_id),)
    ).fetchall()
    refused = 0
    for key, value in rows:
        spoiled = bytes((value[0] ^ 1,)) + value[1:]
        place = (chain_root(chain_id), key)
        write = "UPDATE entries SET value = ? WHERE root = ? AND key = ?"
        connection.execute(write, (spoiled, *place))
        refused += _is_refused(network, location, told)
        connection.execute(write, (value, *place))
    connection.close()
    assert refused >= len(rows) // 3
    assert not _is_refused(network, location, told)


def _is_refused(network: TinyNetwork, location: str, told: ChainInfo) -> bool:
    """Whether a node over the store refuses to answer; it must not answer anything new."""
    with open_store(location) as store:
        node = TinyNode(
            network.genesis, clock=network.clock, secret=network.secrets[0], store=store
        )
        try:
            assert node.info(told.chain_id) == told
        except DamagedStore:
            return True
        return False


def test_every_chain_starts_with_its_balance() -> None:
    network = TinyNetwork()
    for chain_id in network.chain_ids:
        network.node.info(chain_id)
    assert total_balance(network.node, network.chain_ids) == 3 * INITIAL_BALANCE
