"""`RemoteNetwork`: wallets on any network of this protocol, reached through its faucet.

    async with await catenula.connect("http://localhost:8080") as network:
        alice = await network.wallet("alice")
        await alice.chain.transfer(recipient, "2.5")
        async for notification in alice.chain.notifications():
            print(notification)

Wallets and chains are those of the embedded network; only where the validators are differs. The
faucet is believed in one thing, which network this is; what validators say is checked as always.
"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from catenula.base.closing import AsyncClosing
from catenula.base.errors import LocalError
from catenula.base.identifiers import AccountOwner, ChainId
from catenula.client import ClientSetup
from catenula.client.errors import Explanation, Overdraft
from catenula.client.options import DEFAULT_OPTIONS, ClientOptions
from catenula.client.remote_node import NodeProvider
from catenula.network.amounts import Tokens, amount_from, tokens_of
from catenula.network.names import check_name
from catenula.network.wallet import NetworkWallet
from catenula.protocol import ChainDescription, ChainOwnership, GenesisConfig
from catenula.storage.engine import Store, open_store

if TYPE_CHECKING:
    from catenula.transport.grpc_client import GrpcOptions

_FOLDER_MODE = 0o700


class Faucet(Protocol):
    """Gives chains away (spec 08 §3)."""

    async def claim(self, owner: AccountOwner) -> ChainDescription:
        """A chain of this owner; the same one again for an owner that has one."""
        ...

    async def genesis_config(self) -> GenesisConfig:
        """What the network began with."""
        ...


class ClosingProvider(NodeProvider, Protocol):
    """Connections to validators that have to be closed."""

    async def close(self) -> None:
        """Close all connections."""
        ...


class RemoteNetwork(AsyncClosing):
    """Wallets on a network that runs elsewhere. An asynchronous context manager; or call `close`.

    Wallets live in memory, or with ``folder`` in a file each, readable by this user only, and are
    found there again. ``options`` can be replaced before the first wallet is opened.
    """

    def __init__(
        self,
        faucet: Faucet,
        genesis: GenesisConfig,
        provider: ClosingProvider,
        *,
        folder: str | Path | None = None,
        options: ClientOptions = DEFAULT_OPTIONS,
    ) -> None:
        """`connect` makes one from a URL."""
        self.genesis, self.options = genesis, options
        self._faucet, self._provider = faucet, provider
        self._folder = None if folder is None else _secret_folder(Path(folder))
        self._wallets: dict[str, NetworkWallet] = {}
        self._opening = asyncio.Lock()

    @property
    def name(self) -> str:
        """The network's name."""
        return self.genesis.network_name

    @property
    def admin_chain_id(self) -> ChainId:
        """The chain that announces committees."""
        return self.genesis.admin_chain_id

    async def wallet(self, name: str, tokens: Tokens = 0) -> NetworkWallet:
        """The wallet of this name; a new one gets a key and claims a chain from the faucet.

        Raises `Overdraft` when the faucet gives less than ``tokens``. Names become file names:
        letters, digits, ``.``, ``_`` and ``-``.
        """
        wanted = amount_from(tokens)
        async with self._opening:
            found = self._wallets.get(name)
            if found is None:
                check_name(name)
                found = self._wallets[name] = NetworkWallet(name, self._setup(name))
            if found.client.wallet.default_chain() is None:
                await self._claim(found, wanted)
            return found

    async def _claim(self, wallet: NetworkWallet, wanted: int) -> None:
        # A key that claimed before a crash is used again: the faucet gives the same chain.
        owners = wallet.client.wallet.key_owners()
        owner = owners[0] if owners else await wallet.new_owner()
        description = await self._faucet.claim(owner)
        if owner not in description.config.ownership.all_owners():
            raise LocalError(
                f"the faucet gave the chain {description.chain_id}, which is not {owner}'s; "
                "check that its address is right",
                retryable=False,
            )
        given = description.config.balance
        await wallet.take(description.chain_id, owner)
        if given < wanted:
            raise Overdraft(
                Explanation(
                    f"The faucet gives {tokens_of(given)} tokens, not {tokens_of(wanted)}",
                    description.chain_id,
                    who=owner,
                    next_step="ask for less, or have tokens sent to the chain",
                )
            )

    async def new_chain(
        self, wallet: NetworkWallet, ownership: ChainOwnership, tokens: Tokens = 0
    ) -> ChainId:
        """A child of the wallet's chain, with tokens of it; taken into the wallet if it is its."""
        description, _ = await wallet.chain.open_chain(ownership, tokens)
        return description.chain_id

    def _setup(self, name: str) -> ClientSetup:
        return ClientSetup(
            store=self._open_store(name),
            genesis=self.genesis,
            provider=self._provider,
            options=self.options,
        )

    def _open_store(self, name: str) -> Store:
        if self._folder is None:
            return open_store("memory:")
        # The wallet's keys are in there; files of this engine are their user's alone.
        return open_store(f"sqlite:{self._folder / f'wallet-{name}.sqlite'}")

    async def settled(self) -> None:
        """Return when validators have what these wallets had to send them (slow ones included)."""
        for wallet in self._wallets.values():
            await wallet.client.settled()

    async def close(self) -> None:
        """Stop the wallets and close all connections; what is on disk stays."""
        wallets = list(self._wallets.values())
        self._wallets.clear()
        for wallet in wallets:
            await wallet.close()
        await self._provider.close()


async def connect(
    faucet_url: str,
    *,
    folder: str | Path | None = None,
    options: ClientOptions = DEFAULT_OPTIONS,
    transport: "GrpcOptions | None" = None,
) -> RemoteNetwork:
    """The network whose faucet answers at this address, as ``http://localhost:8080``.

    Raises `FaucetUnreachable` when no faucet answers there. ``transport`` sets time-outs,
    retries and trusted certificates of the connections to validators.
    """
    from catenula.client.faucet_client import FaucetClient
    from catenula.transport.grpc_client import GrpcProvider

    faucet = FaucetClient(faucet_url)
    genesis = await faucet.genesis_config()
    return RemoteNetwork(faucet, genesis, GrpcProvider(transport), folder=folder, options=options)


def _secret_folder(folder: Path) -> Path:
    folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    return folder
