"""A running local network behind real ports: what ``catenula net up`` starts.

`Devnet` owns the validators, in this process or in processes of their own, and the faucet. It is
ready when every public port has answered; closing it ends everything it started. Must not be used
on a machine whose loopback others can reach: the keys of all validators are in one folder.
"""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from catenula.base.errors import LocalError
from catenula.base.identifiers import AccountOwner, ChainId
from catenula.base.integers import Amount
from catenula.client.client import Client, ClientSetup
from catenula.client.files.keystore_json import KeyStoreFile
from catenula.client.wallet import WalletChain
from catenula.client.watcher import NOBODY, Span, Watcher
from catenula.network.devnet_files import LOOPBACK, DevnetFiles, DevnetFolder
from catenula.network.devnet_servers import EmbeddedServers, ServersInProcesses
from catenula.network.ports import check_free
from catenula.network.probe import Place, await_health, await_page
from catenula.storage.engine import open_store

if TYPE_CHECKING:
    from catenula.services.faucet.server import FaucetServer

_VALIDATOR_PORT_ADVICE = (
    "stop what listens there (another network?), or start a new network at other ports by setting "
    "TEST_OFFSET_PORT in the environment (default 9000: the first validator's port is 13001)"
)

READY_SECONDS = 30.0
"""How long the ports may take to answer."""


class FaucetPlan(Struct, frozen=True):
    """The faucet of a local network: on the n-th chain besides the admin chain, by their ids."""

    amount: Amount
    port: int
    chain: int = 0


class RunPlan(Struct, frozen=True):
    """How a network runs; ``lasting`` keeps the validators' data beyond this run."""

    processes: bool = False
    lasting: bool = False
    faucet: FaucetPlan | None = None


class Devnet:
    """A network that runs; made by `Devnet.start`."""

    def __init__(self, files: DevnetFiles, plan: RunPlan, watcher: Watcher = NOBODY) -> None:
        self.files, self.plan = files, plan
        servers = ServersInProcesses if plan.processes else EmbeddedServers
        parts = len(files.servers) + (plan.faucet is not None)
        self._span = Span(watcher, "parts", start=0, goal=parts)
        self._servers = servers(files, lasting=plan.lasting, span=self._span)
        self._client: Client | None = None
        self._faucet: FaucetServer | None = None

    @classmethod
    async def start(
        cls,
        files: DevnetFiles,
        plan: RunPlan,
        *,
        write_files: Callable[[], None] | None = None,
        watcher: Watcher = NOBODY,
    ) -> "Devnet":
        """Start everything; all ports have answered when this returns.

        ``write_files`` runs beside it: a new network need not be on disk before it serves, only
        before anybody is told of it. ``watcher`` hears of every part that runs. Raises
        `LocalError`, for a taken port one that names it; then nothing is left running.
        """
        devnet = cls(files, plan, watcher)
        devnet._check_ports()
        try:
            await devnet._start(write_files or _nothing)
        except BaseException:
            await devnet.close()
            raise
        return devnet

    def _check_ports(self) -> None:
        """Before anything is started, so that the error can say which option to change."""
        for place in self._places():
            check_free(place.host, place.port, purpose=place.name, advice=_VALIDATOR_PORT_ADVICE)
        if self.plan.faucet is not None:
            check_free(
                LOOPBACK,
                self.plan.faucet.port,
                purpose="the faucet",
                advice="stop what listens there, or choose another port with --faucet-port",
            )

    async def _start(self, write_files: Callable[[], None]) -> None:
        writing = asyncio.create_task(asyncio.to_thread(write_files))
        try:
            await self._servers.start()
            for place in self._places():
                await await_health(place, patience_seconds=READY_SECONDS)
        finally:
            await asyncio.wait((writing,))
        writing.result()
        if self.plan.faucet is not None:
            await self._start_faucet(self.plan.faucet)
            self._span.reached(len(self.files.servers) + 1)

    def _places(self) -> list[Place]:
        return [
            Place(f"validator {index}", LOOPBACK, server.listen.port, server.address.is_encrypted)
            for index, server in enumerate(self.files.servers)
        ]

    async def _start_faucet(self, plan: FaucetPlan) -> None:
        from catenula.services.faucet import Faucet, FaucetOptions, start_faucet

        folder = self.files.folder
        self._client = self._make_client(folder)
        chain_id = self.faucet_chain(plan)
        # The faucet synchronizes the chain itself; that it belongs to us is known from the genesis.
        self._client.context.local.worker.track_chain(chain_id)
        if self._client.wallet.chain(chain_id) is None:
            await self._client.wallet.put_chain(chain_id, WalletChain(self._owner_of(chain_id)))
        options = FaucetOptions(plan.amount, folder.faucet_claims, LOOPBACK, plan.port)
        self._faucet = await start_faucet(
            Faucet(self._client, chain_id, genesis=self.files.genesis, options=options)
        )
        place = Place("the faucet", LOOPBACK, self._faucet.port)
        await await_page(place, "/ready", patience_seconds=READY_SECONDS)

    def _make_client(self, folder: DevnetFolder) -> Client:
        return Client(
            ClientSetup(
                store=open_store(folder.faucet_storage if self.plan.lasting else "memory:"),
                genesis=self.files.genesis,
                provider=self._servers.provider(),
                signer=KeyStoreFile.read(folder.keystore),
            )
        )

    def _owner_of(self, chain_id: ChainId) -> AccountOwner:
        found = next(item for item in self.files.genesis.chains if item.chain_id == chain_id)
        return next(iter(found.config.ownership.owners))

    def faucet_chain(self, plan: FaucetPlan) -> ChainId:
        """The chain that the faucet gives from; `LocalError` when there are too few chains."""
        chains = self.files.root_chains()
        if plan.chain >= len(chains):
            raise LocalError(
                f"there is no chain {plan.chain} for the faucet: the network has {len(chains)} "
                "besides the admin chain; give --faucet-chain a lower number, or a new network "
                "more --other-initial-chains",
                retryable=False,
            )
        return chains[plan.chain]

    # Where it is

    def validator_urls(self) -> list[str]:
        """The validators' addresses as URLs, in order."""
        return [server.address.url for server in self.files.servers]

    def faucet_url(self) -> str | None:
        """The faucet, if there is one."""
        return None if self._faucet is None else f"http://localhost:{self._faucet.port}"

    # Ending

    async def failed(self) -> LocalError:
        """Return only when the network has stopped by itself, with the reason."""
        return await self._servers.failed()

    async def close(self) -> None:
        """Stop the faucet, its client, and the validators; what is on disk stays."""
        if self._faucet is not None:
            await self._faucet.close()
        if self._client is not None:
            await self._client.close()
        await self._servers.close()


def _nothing() -> None:
    """The files are there already."""


def remove_folder(path: Path) -> None:
    """Remove a temporary network from the disk."""
    shutil.rmtree(path, ignore_errors=True)
