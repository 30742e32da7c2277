"""Rows of the wallet."""

import pytest

from catenula.base.errors import InvariantViolation, LocalError
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import BlockHeight, Epoch, Timestamp
from catenula.client.errors import MissingKey
from catenula.client.signers import InMemorySigner, WalletSigner
from catenula.client.wallet import (
    PendingProposal,
    ProposalRow,
    SignedProposal,
    Wallet,
    WalletChain,
)
from catenula.protocol import ProposedBlock, Round, data_blob
from catenula.storage.engine import Store
from catenula.storage.memory import MemoryStore
from catenula.testing.keys import account_key, predictable_bytes
from catenula.validator.committer import committer_for
from tests.client.world import asynchronous, owner

CHAINS = [ChainId(bytes([number]) * 32) for number in range(5)]


def wallet(store: Store) -> Wallet:
    return Wallet(store, committer_for(store))


def block(height: int) -> ProposedBlock:
    return ProposedBlock(CHAINS[0], Epoch(0), (), BlockHeight(height), Timestamp(1), owner(1), None)


@asynchronous
async def test_chains_are_found_again() -> None:
    store = MemoryStore("memory:")
    row = WalletChain(owner(1), CryptoHash(b"h" * 32), BlockHeight(3), Timestamp(9), Epoch(2))
    await wallet(store).put_chains({CHAINS[2]: WalletChain(), CHAINS[1]: row})
    again = wallet(store)
    assert again.chain_ids() == [CHAINS[1], CHAINS[2]]
    assert again.chain(CHAINS[1]) == row
    assert again.chain(CHAINS[2]) == WalletChain()
    assert again.chain(CHAINS[3]) is None
    # The first chain with an owner is the default.
    assert again.default_chain() == CHAINS[1]


@asynchronous
async def test_forgetting_a_chain_leaves_the_default() -> None:
    store = MemoryStore("memory:")
    rows = wallet(store)
    await rows.put_chain(CHAINS[0], WalletChain(owner(1)))
    await rows.forget_chain(CHAINS[0])
    assert rows.chain(CHAINS[0]) is None
    assert wallet(store).chain_ids() == []
    assert wallet(store).default_chain() == CHAINS[0]
    with pytest.raises(LocalError):
        await rows.set_default_chain(CHAINS[1])


@asynchronous
async def test_a_height_never_goes_back() -> None:
    """Invariant K7."""
    rows = wallet(MemoryStore("memory:"))
    await rows.put_chain(CHAINS[0], WalletChain(owner(1), next_block_height=BlockHeight(4)))
    with pytest.raises(InvariantViolation):
        await rows.put_chain(CHAINS[0], WalletChain(owner(1), next_block_height=BlockHeight(3)))


@asynchronous
async def test_a_proposal_is_found_again_until_its_height_is_decided() -> None:
    store = MemoryStore("memory:")
    rows = wallet(store)
    pending = PendingProposal(block(4), (data_blob(b"x"),), Round.FAST)
    signed = SignedProposal(BlockHeight(4), Round.FAST, CryptoHash(b"c" * 32))
    await rows.put_proposal(CHAINS[0], ProposalRow(pending, signed))
    assert wallet(store).proposal(CHAINS[0]) == ProposalRow(pending, signed)
    rows.forget_pending(CHAINS[0])
    assert rows.proposal(CHAINS[0]) == ProposalRow(None, signed)
    assert rows.proposal(CHAINS[1]) == ProposalRow()


@asynchronous
async def test_keys_are_stored_with_the_wallet() -> None:
    store = MemoryStore("memory:")
    made = await WalletSigner(wallet(store)).generate(predictable_bytes("key"))
    await WalletSigner(wallet(store)).add(account_key(1))
    signer = WalletSigner(wallet(store))
    assert signer.owners() == sorted([made, owner(1)])
    assert await signer.contains_key(made)
    assert not await signer.contains_key(owner(2))
    signature = await signer.sign(owner(1), b"d" * 32)
    signature.verify(b"d" * 32)
    with pytest.raises(MissingKey) as caught:
        await signer.sign(owner(2), b"d" * 32)
    assert str(owner(2)) in caught.value.message()


@asynchronous
async def test_a_signer_in_memory_signs_for_its_keys_only() -> None:
    signer = InMemorySigner()
    made = signer.generate(predictable_bytes("other"))
    assert signer.owners() == [made]
    (await signer.sign(made, b"d" * 32)).verify(b"d" * 32)
    with pytest.raises(MissingKey):
        await signer.sign(owner(1), b"d" * 32)
