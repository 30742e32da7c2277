"""Several clients of one wallet over one store, as the processes of a command line are."""

import asyncio
import threading
from pathlib import Path

import pytest

from catenula.base.errors import LocalError
from catenula.base.identifiers import AccountOwner, ChainId, CryptoHash
from catenula.base.integers import BlockHeight, Timestamp, tokens
from catenula.client import (
    ChainClient,
    ChainListener,
    Client,
    ClientOptions,
    ClientSetup,
    WalletSigner,
)
from catenula.client.errors import NoQuorum
from catenula.client.options import SECOND_US
from catenula.client.wallet import ProposalRow, SignedProposal, WalletChain
from catenula.execution.environment import NeedsThread
from catenula.protocol import (
    Account,
    ChainOwnership,
    ConfirmedBlockCertificate,
    Round,
    Transfer,
)
from catenula.storage import open_store
from catenula.testing.keys import account_key
from catenula.validator.ownership import Overtaken
from catenula.worker import Outcome, Worker
from tests.client.world import World, asynchronous, committed, owner

CLIENTS = 3
TRANSFERS = 5


class Wallets:
    """Several clients over one file."""

    def __init__(self, world: World, folder: Path, count: int = 2) -> None:
        self.world, self.path = world, folder / "wallet"
        self.clients = [self.open() for _ in range(count)]

    def open(self, *, options: ClientOptions | None = None, sharing: bool = True) -> Client:
        setup = ClientSetup(
            store=open_store(f"sqlite:{self.path}"),
            genesis=self.world.network.genesis,
            provider=self.world,
            options=options or ClientOptions(),
            clock=self.world.clock,
            sharing=sharing,
        )
        return Client(setup)

    async def take(self, number: int) -> ChainId:
        """A chain of this owner, taken into the wallet by the first client."""
        signer = self.clients[0].signer
        assert isinstance(signer, WalletSigner)
        await signer.add(account_key(number))
        chain_id = await self.world.open(ChainOwnership.single(owner(number)))
        await self.clients[0].assign(owner(number), chain_id)
        return chain_id

    async def close(self) -> None:
        for client in self.clients:
            await client.close()


def account(chain_id: ChainId) -> Account:
    return Account(chain_id, AccountOwner.CHAIN)


async def transfers(chain: ChainClient, recipient: ChainId, count: int = TRANSFERS) -> None:
    for _ in range(count):
        await chain.commit([Transfer(AccountOwner.CHAIN, account(recipient), tokens(1))])


@asynchronous
async def test_clients_that_pay_from_one_chain_queue_up(tmp_path: Path) -> None:
    """Invariants K8, K9, W7: every transfer is made, and exactly once."""
    world = World()
    wallets = Wallets(world, tmp_path, CLIENTS)
    chain_id = await wallets.take(1)
    root = await world.root_chain()
    committed(await root.transfer(account(chain_id), tokens(CLIENTS * TRANSFERS)))
    await wallets.clients[0].chain(chain_id).synchronize()
    work = [transfers(client.chain(chain_id), world.root) for client in wallets.clients]
    await asyncio.gather(*work)
    for client in wallets.clients:
        chain = client.chain(chain_id)
        assert chain.state().next_block_height == CLIENTS * TRANSFERS
        assert await chain.query_balance() == tokens(10)
    await wallets.close()


@asynchronous
async def test_clients_that_use_different_chains_do_not_disturb_each_other(tmp_path: Path) -> None:
    world = World()
    wallets = Wallets(world, tmp_path, CLIENTS)
    chain_ids = [await wallets.take(number + 1) for number in range(CLIENTS)]
    work = [
        transfers(client.chain(chain_id), chain_ids[position - 1])
        for position, (client, chain_id) in enumerate(zip(wallets.clients, chain_ids, strict=True))
    ]
    await asyncio.gather(*work)
    await world.settled()
    for client in wallets.clients:
        await client.settled()
    for client in wallets.clients:
        for chain_id in chain_ids:
            assert client.chain(chain_id).state().next_block_height == TRANSFERS
            assert await client.chain(chain_id).query_balance() == tokens(10)
    await wallets.close()


@asynchronous
async def test_what_one_client_writes_the_other_reads(tmp_path: Path) -> None:
    world = World()
    wallets = Wallets(world, tmp_path)
    first, second = wallets.clients
    assert second.wallet.default_chain() is None
    chain_id = await wallets.take(1)
    assert second.wallet.default_chain() == chain_id
    chain = second.chain(chain_id)
    assert chain.state().next_block_height == 0
    await transfers(first.chain(chain_id), world.root, 1)
    assert chain.state().next_block_height == 1
    assert await chain.local_balance() == tokens(9)
    await wallets.close()


@asynchronous
async def test_a_chain_that_another_client_takes_in_is_tracked_here(tmp_path: Path) -> None:
    world = World()
    wallets = Wallets(world, tmp_path)
    _, second = wallets.clients
    chain_id = await wallets.take(1)
    assert second.wallet.chain(chain_id) is not None
    tracked = second.context.local.worker.config.tracked_chains
    assert tracked is not None
    assert chain_id in tracked
    await wallets.close()


@asynchronous
async def test_a_block_that_one_client_left_in_flight_is_finished_by_the_other(
    tmp_path: Path,
) -> None:
    """Invariant K3: what was signed goes first, whoever signed it."""
    world = World()
    wallets = Wallets(world, tmp_path)
    chain_id = await wallets.take(1)
    first, second = (client.chain(chain_id) for client in wallets.clients)
    assert second.pending_proposal() is None
    for validator in world.network.validators:
        await validator.stop()
    operation = Transfer(AccountOwner.CHAIN, account(world.root), tokens(1))
    with pytest.raises(NoQuorum):
        await first.execute([operation])
    for validator in world.network.validators:
        validator.start()
    certificate = await second.process_pending_block()
    assert committed(certificate) is not None
    assert first.state().next_block_height == 1
    assert await second.local_balance() == tokens(9)
    await wallets.close()


@asynchronous
async def test_a_proposal_is_not_replaced_by_who_has_not_seen_it(tmp_path: Path) -> None:
    """Invariant K8, even if the locks between processes did not work."""
    world = World()
    wallets = Wallets(world, tmp_path)
    first, second = (client.wallet for client in wallets.clients)
    chain_id = world.root

    def signed(digit: bytes) -> ProposalRow:
        return ProposalRow(None, SignedProposal(BlockHeight(0), Round.FAST, CryptoHash(digit * 32)))

    writes = [
        asyncio.ensure_future(wallet.put_proposal(chain_id, signed(digit)))
        for wallet, digit in ((first, b"1"), (second, b"2"))
    ]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(result) for result in results if result] == [Overtaken]
    assert first.proposal(chain_id) == second.proposal(chain_id)
    await wallets.close()


@asynchronous
async def test_wallet_rows_never_go_back(tmp_path: Path) -> None:
    """Invariant K7, when another process knows more."""
    world = World()
    wallets = Wallets(world, tmp_path)
    first, second = (client.wallet for client in wallets.clients)
    await first.put_chain(world.root, WalletChain(owner(1), None, BlockHeight(5)))
    await second.put_chain(world.root, WalletChain(owner(2), None, BlockHeight(3)))
    assert first.chain(world.root) == WalletChain(owner(2), None, BlockHeight(5))
    await wallets.close()


@asynchronous
async def test_who_waits_too_long_for_a_chain_hears_who_has_it(tmp_path: Path) -> None:
    world = World()
    wallets = Wallets(world, tmp_path, 1)
    chain_id = await wallets.take(1)
    impatient = wallets.open(options=ClientOptions(chain_lock_patience_us=50_000))
    turns = wallets.clients[0].context.turns
    assert turns is not None
    async with turns.of(wallets.clients[0].chain(chain_id).session):
        with pytest.raises(LocalError, match=r"process \d+ has been making a block"):
            await transfers(impatient.chain(chain_id), world.root, 1)
    await transfers(impatient.chain(chain_id), world.root, 1)
    await impatient.close()
    await wallets.close()


@asynchronous
async def test_a_store_that_is_not_shared_is_one_clients_alone(tmp_path: Path) -> None:
    wallets = Wallets(World(), tmp_path, 1)
    with pytest.raises(LocalError, match="in use by another process"):
        wallets.open(sharing=False)
    await wallets.close()


@asynchronous
async def test_a_side_run_that_another_process_overtook_is_made_again(tmp_path: Path) -> None:
    """Invariant W7: what it has read is old, so nothing of it is stored."""
    world = World()
    wallets = Wallets(world, tmp_path)
    chain_id = await wallets.take(1)
    validators = [remote.public_key for remote in wallets.clients[0].context.nodes()]
    arrived, let_go, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()
    runs = 0

    def slow(worker: Worker, _: Timestamp) -> Outcome[None]:
        nonlocal runs
        if threading.current_thread() is threading.main_thread():
            raise NeedsThread
        runs += 1
        outcome = worker.update_received_trackers(chain_id, {validators[0]: 1})
        loop.call_soon_threadsafe(arrived.set)
        let_go.wait(10)
        return outcome

    first, second = (client.context.local for client in wallets.clients)
    task = asyncio.create_task(first.driver.run(chain_id, slow))
    await arrived.wait()
    await second.update_received_trackers(chain_id, {validators[1]: 2})
    let_go.set()
    await task
    assert runs == 2
    for local in (first, second):
        trackers = local.chain(chain_id).received_certificate_trackers
        assert [trackers.get(validator) for validator in validators[:2]] == [1, 2]
    await wallets.close()


@asynchronous
async def test_a_listener_hears_of_chains_that_another_process_adds(tmp_path: Path) -> None:
    world = World()
    wallets = Wallets(world, tmp_path)
    first = await wallets.take(1)
    listening, other = wallets.clients[1], wallets.clients[0]
    blocks: list[ConfirmedBlockCertificate] = []
    listener = ChainListener(listening, blocks.append)
    listener.start()
    second = await wallets.take(2)
    payer = await world.root_chain()
    committed(await payer.transfer(account(second), tokens(1)))
    while not any(block.chain_id == second for block in blocks):
        world.clock.advance(SECOND_US)
        await asyncio.sleep(0)
    assert await listening.chain(second).local_balance() == tokens(11)
    assert listener.follows(first)
    await other.forget(first)
    while listener.follows(first):
        world.clock.advance(SECOND_US)
        await asyncio.sleep(0)
    await listener.stop()
    await wallets.close()
