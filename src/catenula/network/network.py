"""`Network`: a local network with wallets, for programs that use ``asyncio``.

    async with await Network.start() as network:
        alice = await network.wallet("alice", tokens=100)
        bob = await network.wallet("bob")
        await alice.chain.transfer(bob.chain, "2.5")
        await bob.chain.receive()
        print(await bob.chain.balance())

`catenula.network.SyncNetwork` is the same without ``async``.
"""

import asyncio
import secrets
from pathlib import Path
from typing import Self

from catenula.base.closing import AsyncClosing
from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId
from catenula.client import Client, ClientSetup, InMemorySigner
from catenula.client.options import DEFAULT_OPTIONS, ClientOptions
from catenula.network.amounts import Tokens
from catenula.network.chain import DEFAULT_PATIENCE_SECONDS
from catenula.network.configuration import NetworkShape
from catenula.network.embedded import EmbeddedNetwork, make_network
from catenula.network.embedded_validator import EmbeddedValidator
from catenula.network.names import check_name
from catenula.network.public_chains import PublicChainRunner
from catenula.network.wallet import NetworkWallet
from catenula.protocol import ChainOwnership, Notification
from catenula.storage.engine import open_store
from catenula.transport.validator_node import ValidatorNode

_ROOT = "root"


class EmbeddedProvider:
    """Gives clients their connections to the validators of this process."""

    def __init__(self, network: EmbeddedNetwork) -> None:
        self._nodes = network.nodes()

    def connect(self, public_key: Secp256k1PublicKey, address: str) -> ValidatorNode:
        """The validator with this key; `LocalError` when it is not of this network."""
        found = self._nodes.get(public_key)
        if found is None:
            raise LocalError(f"no validator {public_key} runs in this process", retryable=False)
        return found


class Network(AsyncClosing):
    """A running local network. Use it as an asynchronous context manager, or call `close`."""

    def __init__(self, embedded: EmbeddedNetwork, options: ClientOptions = DEFAULT_OPTIONS) -> None:
        self.embedded, self.options = embedded, options
        self._provider = EmbeddedProvider(embedded)
        self._wallets: dict[str, NetworkWallet] = {}
        self._root: NetworkWallet | None = None
        self._runners: dict[int, PublicChainRunner] = {}
        self._opening = asyncio.Lock()

    @classmethod
    async def start(
        cls,
        validators: int = 4,
        *,
        workers: int = 1,
        folder: str | Path | None = None,
        engine: str | None = None,
        shape: NetworkShape | None = None,
    ) -> Self:
        """Start validators in this process, in memory or with stores in ``folder``.

        A folder that holds a network already is started again as it was. ``shape`` sets everything
        else about a new network. Raises `LocalError`.
        """
        wanted = shape or NetworkShape(validators=validators, workers=workers, engine=engine)
        embedded = make_network(wanted, random_bytes=secrets.token_bytes, folder=folder)
        network = cls(embedded)
        for index in range(len(embedded.validators)):
            network._start_runner(index)
        return network

    # Validators

    @property
    def validators(self) -> list[EmbeddedValidator]:
        """The validators, running or not."""
        return self.embedded.validators

    @property
    def admin_chain_id(self) -> ChainId:
        """The chain that announces committees: the first root chain."""
        return self.embedded.genesis.admin_chain_id

    async def stop_validator(self, index: int) -> None:
        """Kill a validator: what it had in memory is lost, its store stays."""
        runner = self._runners.pop(index, None)
        if runner is not None:
            await runner.stop()
        await self.validators[index].stop()

    async def start_validator(self, index: int) -> None:
        """Start a stopped validator from its store.

        The open wallets send it what it missed of their chains; `settled` waits for that.
        """
        self.validators[index].start()
        self._start_runner(index)
        key = self.validators[index].keys.consensus.public_key()
        for client in self._clients():
            client.update_validator(key)

    def slow_validator(self, index: int, seconds: float) -> None:
        """Let a validator answer everything this much later; 0 makes it fast again."""
        self.validators[index].make_slow(seconds)

    def _start_runner(self, index: int) -> None:
        validator = self.validators[index]
        if validator.driver is None or index in self._runners:
            return
        account = validator.keys.account
        setup = self._setup(f"validator-{index + 1}-client", InMemorySigner((account,)))
        owner = account.public_key().owner()
        runner = self._runners[index] = PublicChainRunner(validator.driver, setup, owner)
        runner.resume()

    # Wallets

    async def wallet(self, name: str, tokens: Tokens = 0) -> NetworkWallet:
        """The wallet of this name; a new one gets a key and a chain with these tokens.

        Names become file names: letters, digits, ``.``, ``_`` and ``-``.
        """
        async with self._opening:
            found = self._wallets.get(name)
            if found is None:
                check_name(name)
                found = self._wallets[name] = NetworkWallet(name, self._setup(f"wallet-{name}"))
            if found.client.wallet.default_chain() is None:
                owner = await found.new_owner()
                await self._new_chain(found, ChainOwnership.single(owner), tokens)
            return found

    async def new_chain(
        self, wallet: NetworkWallet, ownership: ChainOwnership, tokens: Tokens = 0
    ) -> ChainId:
        """A chain made by the network's root chain, taken into the wallet if it has a key of it."""
        async with self._opening:
            return await self._new_chain(wallet, ownership, tokens)

    async def _new_chain(
        self, wallet: NetworkWallet, ownership: ChainOwnership, tokens: Tokens
    ) -> ChainId:
        root = await self._root_wallet()
        description, _ = await root.chain.open_chain(ownership, tokens)
        chain_id = description.chain_id
        for owner in ownership.all_owners():
            if await wallet.client.signer.contains_key(owner):
                await wallet.take(chain_id, owner)
                break
        return chain_id

    async def _root_wallet(self) -> NetworkWallet:
        if self._root is None:
            key = self.embedded.configuration.root_key
            root = NetworkWallet(_ROOT, self._setup(_ROOT, InMemorySigner((key,))))
            if root.client.wallet.default_chain() is None:
                await root.client.assign(key.public_key().owner(), self.admin_chain_id)
            self._root = root
        return self._root

    def _setup(self, name: str, signer: InMemorySigner | None = None) -> ClientSetup:
        return ClientSetup(
            store=open_store(self.embedded.location(name)),
            genesis=self.embedded.genesis,
            provider=self._provider,
            signer=signer,
            options=self.options,
            clock=self.embedded.clock,
            commit_threads=self.embedded.commit_threads,
            applications=self.embedded.applications,
        )

    # Ending

    async def settled(self) -> None:
        """Return when nothing is on its way any more: messages, and updates of validators."""
        for client in self._clients():
            await client.settled()
        await self.embedded.settled()

    def _clients(self) -> list[Client]:
        wallets = [wallet.client for wallet in self._open_wallets()]
        return [*wallets, *(runner.client for runner in self._runners.values())]

    async def wait_for_height(
        self,
        chain_id: ChainId,
        height: int,
        *,
        patience_seconds: float = DEFAULT_PATIENCE_SECONDS,
    ) -> None:
        """Return when all running validators have this many blocks of a chain; `LocalError`."""
        changed = asyncio.Event()

        def hear(notification: Notification) -> None:
            if notification.chain_id == chain_id:
                changed.set()

        drivers = [item.driver for item in self.validators if item.driver is not None]
        for driver in drivers:
            driver.notifier.watchers.append(hear)
        try:
            while (behind := self._behind(chain_id, height)) is not None:
                await _within(changed, patience_seconds, what=behind)
                changed.clear()
        finally:
            for driver in drivers:
                driver.notifier.watchers.remove(hear)

    def _behind(self, chain_id: ChainId, height: int) -> str | None:
        """What is missing until all running validators have the chain's blocks, or None."""
        for validator in self.validators:
            if validator.is_running:
                known = validator.chain(chain_id).next_block_height
                if known < height:
                    return f"{validator.name} has {known} of {height} blocks of chain {chain_id}"
        return None

    def _open_wallets(self) -> list[NetworkWallet]:
        return [*self._wallets.values(), *([self._root] if self._root else [])]

    async def close(self) -> None:
        """Stop wallets and validators; what is on disk stays."""
        for wallet in self._open_wallets():
            await wallet.close()
        self._wallets.clear()
        self._root = None
        for index in list(self._runners):
            await self._runners.pop(index).stop()
        await self.embedded.stop_all()


async def _within(event: asyncio.Event, seconds: float, *, what: str) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError as error:
        raise LocalError(f"{what} after {seconds:g} s", retryable=True) from error
