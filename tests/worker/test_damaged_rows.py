"""Whatever stands in a stored row, reading gives a value or an error of one of the three roots.

The engines notice changed bytes by their checksums (tests/storage/test_damage.py). Here that guard
is taken away: rows lie in memory and are changed behind the node's back (design rule 4, S6).
"""

from contextlib import suppress
from functools import cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catenula.base.errors import InvariantViolation, LocalError, ProtocolError
from catenula.base.integers import U64, BlockHeight
from catenula.protocol import ChainInfoQuery
from catenula.storage import Batch
from catenula.storage.memory import MemoryStore
from catenula.testing.tiny_network import TinyNetwork, transfer
from catenula.testing.tiny_node import TinyNode
from tests.strategies import damaged

Row = tuple[bytes, bytes, bytes]


@cache
def played() -> tuple[TinyNetwork, tuple[Row, ...]]:
    """A network that did a little of everything, and the rows of its only validator."""
    network = TinyNetwork()
    one, two, three = network.chain_ids
    network.agree(one, transfer(two), transfer(three))
    network.deliver()
    network.agree(two, *network.incoming(two))
    network.agree(one, transfer(two))
    network.node.propose(network.sign(network.draft(three, transfer(one))))
    store = network.node.store
    rows = [
        (root, key, value)
        for root in store.roots(b"")
        for key, value in store.partition(root).scan(b"")
    ]
    return network, tuple(rows)


def store_of(rows: tuple[Row, ...]) -> MemoryStore:
    """A store in memory that holds these rows."""
    store = MemoryStore()
    batches: dict[bytes, Batch] = {}
    for root, key, value in rows:
        batches.setdefault(root, Batch()).put(key, value)
    store.commit(list(batches.items()))
    return store


def read_everything(network: TinyNetwork, store: MemoryStore) -> int:
    """Open the store as a validator and ask for all that it can tell; how often it answered."""
    answered = 0
    node = TinyNode(network.genesis, clock=network.clock, secret=network.secrets[0], store=store)
    for chain_id in network.chain_ids:
        with suppress(ProtocolError, LocalError, InvariantViolation):
            node.ask(
                ChainInfoQuery(
                    chain_id,
                    request_pending_message_bundles=True,
                    request_received_log_excluding_first_n=U64(0),
                    request_manager_values=True,
                    request_sent_certificate_hashes_by_heights=(BlockHeight(0), BlockHeight(1)),
                )
            )
            answered += 1
        with suppress(ProtocolError, LocalError, InvariantViolation):
            node.propose(network.sign(network.draft(chain_id, transfer(chain_id))))
            answered += 1
    shared = node.worker.shared
    for chain_id in network.chain_ids:
        with suppress(ProtocolError, LocalError):
            block_hash = shared.block_hash_at(chain_id, 0)
            if block_hash is not None:
                answered += shared.certificate(block_hash) is not None
    return answered


def test_untouched_rows_are_all_readable() -> None:
    network, rows = played()
    assert read_everything(network, store_of(rows)) == 7


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_any_row_gives_a_value_or_an_error_of_a_known_root(data: st.DataObject) -> None:
    network, rows = played()
    place = data.draw(st.integers(0, len(rows) - 1))
    root, key, value = rows[place]
    if data.draw(st.booleans()):
        key = data.draw(damaged(key))
    else:
        value = data.draw(st.binary(max_size=40) | damaged(value))
    changed = (*rows[:place], (root, key, value), *rows[place + 1 :])
    with suppress(ProtocolError, LocalError, InvariantViolation):
        read_everything(network, store_of(changed))
