"""The state hash: recorded vectors, worked examples, memos and checkpoints (spec 03)."""

import json
from pathlib import Path
from typing import Any

import pytest

from catenula.base.identifiers import AccountOwner, ApplicationId, ChainId, CryptoHash
from catenula.base.integers import Amount, Epoch, Timestamp
from catenula.conformance.execution_scripts import run_execution_state_entry
from catenula.execution.block import execute_block
from catenula.execution.policy import HISTORICAL_HASH_FLAG, SHADOW_HASH_FLAG, HashMode
from catenula.execution.state import ExecutionState
from catenula.protocol import (
    Account,
    ChainDescription,
    ChainOwnership,
    ResourceControlPolicy,
    Transfer,
)
from catenula.storage import PUT, Batch, open_store
from catenula.testing.execution_world import ALICE, BOB, CHAIN, World
from catenula.views import Context, chain_step

CHAIN_5 = ChainId.parse("92a8e2a9e369ff3e23703ad9b70804e170ce3e4d116846ba469226d553c0e07d")
CHAIN_0 = ChainId.parse("358c282366f6659ff06c3e0f58048f27bbb3c567da1e468338084095532ce708")


def new_state(chain_id: ChainId = CHAIN_5) -> ExecutionState:
    return ExecutionState(Context(open_store("memory:").partition(b"")).field(0), chain_id)


def pinned_state() -> ExecutionState:
    """The state of spec 03 §5.1."""
    state = new_state()
    state.system.description.set(
        ChainDescription.from_bcs(
            bytes.fromhex("0005000000")
            + bytes(8)
            + bytes.fromhex(
                "000101184e94ece9806c74668df247db3e321114380889dd56b865e55e09c0d8a40d14"
            )
            + bytes.fromhex("6400000000000000050000000000809698000000000040420f0000000000")
            + b"\xff" * 8
            + bytes(12)
            + b"\xff" * 16
            + bytes(6)
        )
    )
    state.system.epoch.set(Epoch(1))
    state.system.admin_chain_id.set(CHAIN_0)
    return state


def test_the_pinned_state_has_the_pinned_hashes() -> None:
    state = pinned_state()
    description = state.system.description.get()
    assert description is not None
    assert description.chain_id == CHAIN_5
    assert state.system.content_hash().hex() == (
        "5da89f235941957235b41db826942e7b48d052747f140f835c052549c8f34627"
    )
    assert state.content_hash().hex() == (
        "97548a7d2e37efcd9fb82bf534c36f1f139b98396a34830244c7e0f487848499"
    )
    assert state.state_hash(HashMode.LEGACY).hex() == (
        "9202ab5b42345f8cd95b41ab8760b8a889bc4ae6658125a3a505e96fcbd597a5"
    )


def test_a_chaining_step_hashes_the_writes_and_forgotten_memos() -> None:
    state = pinned_state()
    state.state_hash(HashMode.HISTORICAL)
    state.mark_saved()
    state.system.balance.touch()
    state.system.timestamp.set(Timestamp(42))
    assert len(state.pending_batch().to_bcs()) == 99
    state_hash = state.state_hash(HashMode.HISTORICAL)
    rolling = state.historical_hash.get()
    assert rolling is not None
    assert rolling.hex() == "badeb54f72994a0678428d780675468b377f0b9931344f93ac6cc5c6abd51549"
    assert state_hash.hex() == "803dc7eac7bccf8ee6f380418075db68bbdb65bd9b26f80fd97cd0d8ace3e40c"


def test_the_chaining_primitive() -> None:
    batch = Batch([(PUT, b"\0\1\2", b"\3\4\5"), (PUT, b"\6\7", b"\x08")])
    assert chain_step(b"\7" * 32, batch).hex() == (
        "94827abf47db3e93b99dfc47285a7db6243707e95a724d386a9715f6b7ae414a"
    )


def test_worked_examples_of_containers() -> None:
    state = new_state()
    state.system.balances.insert(AccountOwner.address32(b"\1" * 32), Amount(5))
    state.system.balances.insert(AccountOwner.address20(b"\2" * 20), Amount(7))
    assert state.system.balances.content_hash().hex() == (
        "af2bb46e9665846d55479d5e21325e37aedc4709008db878319a28792b309b8c"
    )
    store = state.users.load_or_create(ApplicationId(b"\x09" * 32))
    store.write_batch(Batch([(PUT, b"a", b"xy"), (PUT, b"b", b"")]))
    assert store.content_hash().hex() == (
        "f823d7f39be4a0e60dc695da02ec96f0d21e9cb13086e505cfa5c7387ae9f8a5"
    )
    assert state.users.content_hash().hex() == (
        "d702b73c7953304f15d8ad236554c96d332b26f2eb2ac60b90ba6ad45b48d2a8"
    )


def test_recorded_execution_states(shared_vectors: Path) -> None:
    recording = json.loads((shared_vectors / "types" / "execution_state.json").read_text())
    failures: dict[str, Any] = {}
    for entry in recording["entries"]:
        differences = run_execution_state_entry(entry)
        if differences:
            failures[entry["name"]] = differences[0]
    assert not failures
    assert len(recording["entries"]) > 20


@pytest.mark.parametrize("flag", ["", HISTORICAL_HASH_FLAG, SHADOW_HASH_FLAG])
def test_an_executed_block_is_rolled_back_and_applied_again_with_the_same_writes(
    flag: str,
) -> None:
    """Invariants V4 and W5."""
    world = World(ResourceControlPolicy(http_request_allow_list=(flag,) if flag else ()))
    chain = world.open_root(ChainOwnership.single(ALICE), 1000)
    block = chain.propose(Transfer(CHAIN, Account(chain.chain_id, BOB), Amount(3)))
    executed = execute_block(chain.state, block, chain.inputs())
    picture = chain.state.staged()
    chain.state.rollback()
    assert not chain.state.has_pending_changes()
    again = execute_block(chain.state, block, chain.inputs())
    assert again.state_hash == executed.state_hash
    expected = Batch()
    chain.state.write_pending(expected)
    chain.state.rollback()
    chain.state.restore(picture)
    found = Batch()
    chain.state.save(found)
    assert found.operations == expected.operations
    assert chain.balance(BOB) == 3


@pytest.mark.parametrize("flag", [HISTORICAL_HASH_FLAG, ""])
def test_hashes_do_not_depend_on_reloading(flag: str) -> None:
    """Invariant V3."""
    hashes: list[list[CryptoHash]] = []
    for reloads in (False, True):
        world = World(ResourceControlPolicy(http_request_allow_list=(flag,) if flag else ()))
        chain = world.open_root(ChainOwnership.single(ALICE), 1000)
        hashes.append([])
        for amount in (1, 2, 3):
            operation = Transfer(CHAIN, Account(chain.chain_id, BOB), Amount(amount))
            hashes[-1].append(chain.execute(operation).state_hash)
            if reloads:
                chain.reload()
    assert hashes[0] == hashes[1]
    assert len(set(hashes[0])) == 3


def test_the_initial_hash_seeds_the_rolling_hash() -> None:
    world = World(ResourceControlPolicy(http_request_allow_list=(HISTORICAL_HASH_FLAG,)))
    chain = world.open_root(ChainOwnership.single(ALICE), 1000)
    seed = chain.state.historical_hash.get()
    assert seed is not None
    assert chain.initial_hash is not None
    assert seed == chain.state.content_hash()
