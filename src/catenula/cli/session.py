"""One run of a command with a wallet: its files are read, a client works, what changed is saved.

The wallet file says which chains there are, whose they are, and how far they had got; rows in the
client's store are only its working copy, brought up to the file for the chains that a command uses,
so that a wallet of a thousand chains costs what one of three costs. The file is written at most
once, when the command ends, and also when it fails: what became final stays known.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from catenula.base.errors import LocalError
from catenula.base.identifiers import AccountOwner, ChainId
from catenula.cli.global_options import GlobalOptions
from catenula.cli.lazy import suggestion
from catenula.cli.output import Output, Progress, show_application_log
from catenula.cli.settings import client_options, grpc_options, places_of
from catenula.client.chain_client import ChainClient
from catenula.client.client import Client, ClientSetup
from catenula.client.errors import DownloadFailed, Explanation, NoQuorum, UnknownChain
from catenula.client.files.keystore_json import KeyStoreFile
from catenula.client.files.wallet_json import ChainEntry, WalletFile
from catenula.client.foreign import foreign_network
from catenula.protocol import (
    ChainDescription,
    ConfirmedBlockCertificate,
    GenesisConfig,
    NodeErrorReceived,
)
from catenula.storage.location import open_location, parse_location

if TYPE_CHECKING:
    from catenula.base.crypto import Secp256k1PublicKey
    from catenula.client.remote_node import NodeProvider
    from catenula.transport.grpc_client import GrpcProvider
    from catenula.transport.validator_node import ValidatorNode

STORE_PATIENCE_SECONDS = 10.0
"""How long a command waits for a RocksDB store that another process has open."""

LINGER_SECONDS = 0.05
"""How long a command waits for validators beyond the quorum before it ends."""


class Session:
    """The wallet, the keys and the client of a running command."""

    def __init__(
        self, *, wallet: WalletFile, keys: KeyStoreFile, client: Client, output: Output
    ) -> None:
        self.wallet, self.keys, self.client, self.output = wallet, keys, client, output
        self._used: set[ChainId] = set()

    def chain_id(self, chain_id: ChainId | None) -> ChainId:
        """The chain that was named, or the default; `LocalError` when there is neither."""
        found = chain_id or self.wallet.content.default_chain()
        if found is None:
            raise LocalError(
                f"the wallet {self.wallet.path} has no default chain; name a chain, or choose a "
                "default with `catenula wallet set-default`",
                retryable=False,
            )
        return found

    def progress(self, text: str) -> "AbstractContextManager[Progress]":
        """A bar on the terminal that follows what the client does meanwhile."""
        return self.output.progress(text, self.client.context)

    async def chain(self, chain_id: ChainId | None = None) -> ChainClient:
        """A chain as the wallet file knows it; one that is not in the wallet can only be read."""
        found = self.chain_id(chain_id)
        if found not in self._used:
            await self._bring_up(found)
            self._used.add(found)
        return self.client.chain(found)

    async def _bring_up(self, chain_id: ChainId) -> None:
        """Make the client's row what the file says; heights are never lowered (K7)."""
        rows, entry = self.client.wallet, self.wallet.content.entry(chain_id)
        row = rows.chain(chain_id)
        if entry is None:
            if row is not None:
                await self.client.forget(chain_id)
            return
        told = entry.row()
        if row is not None and row.next_block_height > told.next_block_height:
            told = row.replace(owner=told.owner)
        if told != row:
            await rows.put_chain(chain_id, told)
        pending = entry.pending()
        if pending is not None and rows.proposal(chain_id).pending is None:
            self.client.chain(chain_id).session.pending = pending

    async def local_chain(self, chain_id: ChainId) -> ChainClient:
        """As `chain`, without asking anybody; `UnknownChain` when it is not known here."""
        chain = await self.chain(chain_id)
        try:
            await self.client.context.local.info(chain_id)
        except NodeErrorReceived as received:
            raise UnknownChain(
                Explanation(
                    "The chain is not known here",
                    chain_id,
                    next_step=f"check the id, then fetch the chain with `catenula sync {chain_id}`",
                )
            ) from received
        return chain

    # What the command changes in the wallet

    def put(self, chain_id: ChainId, entry: ChainEntry) -> None:
        """Insert or replace a chain of the wallet."""
        self.wallet.content = self.wallet.content.with_chain(chain_id, entry)

    def insert_new(self, description: ChainDescription, owner: AccountOwner | None) -> None:
        """A chain that has just been created enters the wallet."""
        known = self.wallet.content.entry(description.chain_id)
        if known is None:
            entry = ChainEntry(
                None if owner is None else str(owner),
                None,
                0,
                description.timestamp,
                epoch=str(description.config.epoch),
            )
            self.put(description.chain_id, entry)

    async def note_block(self, certificate: ConfirmedBlockCertificate) -> None:
        """Chains that a block created for keys of ours enter the wallet (spec 07 §10)."""
        for description in certificate.block.created_chains():
            for owner in description.config.ownership.all_owners():
                if await self.keys.contains_key(owner):
                    self.insert_new(description, owner)
                    break

    def set_owner(self, chain_id: ChainId, owner: AccountOwner | None) -> None:
        """Say who proposes on a chain; the chain enters the wallet if it is not there."""
        self._used.add(chain_id)
        entry = self.wallet.content.entry(chain_id) or ChainEntry(None, None, 0, 0)
        self.put(chain_id, self._progress(chain_id, entry).with_owner(owner))

    def new_owner(self) -> AccountOwner:
        """A new key, stored durably."""
        return self.keys.generate(secrets.token_bytes)

    def update(self, chain_ids: Iterable[ChainId] | None = None) -> None:
        """Note how far the chains of the wallet that were used have got, or these."""
        for chain_id in self._used if chain_ids is None else chain_ids:
            entry = self.wallet.content.entry(chain_id)
            if entry is not None:
                self.put(chain_id, self._progress(chain_id, entry))

    def _progress(self, chain_id: ChainId, known: ChainEntry) -> ChainEntry:
        """The entry with what the local node knows, unless that is less."""
        state = self.client.context.local.chain(chain_id)
        if not state.is_described or state.next_block_height < known.next_block_height:
            return known
        row = known.row().replace(
            block_hash=state.tip.block_hash,
            next_block_height=state.tip.next_block_height,
            timestamp=state.execution.system.timestamp.get(),
            epoch=state.epoch,
        )
        return ChainEntry.of(row, self.client.chain(chain_id).session.pending)


@asynccontextmanager
async def open_session(options: GlobalOptions, output: Output) -> AsyncIterator[Session]:
    """Read the files, make a client, give a session, save the wallet, close.

    Raises `LocalError` for files that are missing or damaged.
    """
    places = places_of(options)
    wallet = WalletFile.read(places.wallet)
    keys = KeyStoreFile.read(places.keystore)
    connections = LazyProvider(options)
    provider = options.provider or connections
    client = make_client(options, wallet=wallet, keys=keys, provider=provider)
    session = Session(wallet=wallet, keys=keys, client=client, output=output)
    try:
        try:
            yield session
        except UnknownChain as unknown:
            raise _with_suggestion(unknown, wallet) from unknown.__cause__
        except (DownloadFailed, NoQuorum) as failure:
            foreign = await foreign_network(client.context, failure)
            if foreign is None:
                raise
            raise foreign from failure
        finally:
            session.update()
            wallet.save()
        with suppress(TimeoutError):
            await asyncio.wait_for(client.settled(), LINGER_SECONDS)
    finally:
        await client.close()
        await connections.close()


def _with_suggestion(unknown: UnknownChain, wallet: WalletFile) -> UnknownChain:
    """The error with chains of the wallet that may have been meant."""
    told = unknown.explanation
    close = suggestion(str(told.chain_id), wallet.content.chains)
    return UnknownChain(replace(told, next_step=f"{told.next_step}{close and '.' + close}"))


def make_client(
    options: GlobalOptions, *, wallet: WalletFile, keys: KeyStoreFile, provider: "NodeProvider"
) -> Client:
    """A client over the wallet's storage; `LocalError` when it belongs to another network."""
    location = parse_location(places_of(options).storage)
    if not location.is_lasting:
        _check_memory_genesis(location.path, wallet)
    setup = ClientSetup(
        store=open_location(location, patience_seconds=STORE_PATIENCE_SECONDS),
        genesis=genesis_of(wallet),
        provider=provider,
        signer=keys,
        options=client_options(options),
        sharing=True,
    )
    client = Client(setup)
    if options["with-application-logs"]:
        client.application_log.listener = show_application_log
    for chain_id in wallet.content.chain_ids():
        client.context.local.worker.track_chain(chain_id)
    return client


def genesis_of(wallet: WalletFile) -> GenesisConfig:
    """The genesis in the wallet; `LocalError` when it is damaged."""
    from catenula.client.files.genesis_json import parse_genesis

    origin = f"the part genesis_config of {wallet.path}"
    return parse_genesis(bytes(wallet.content.genesis_config), origin)


def _check_memory_genesis(path: str, wallet: WalletFile) -> None:
    """Storage in memory names a genesis file; it must be the wallet's network."""
    if not path:
        return
    from catenula.client.files.genesis_json import read_genesis

    genesis, _ = read_genesis(Path(path))
    if genesis.hash != genesis_of(wallet).hash:
        raise LocalError(
            f"the genesis file {path} is of another network than the wallet {wallet.path}; name "
            "the file that the wallet was made with",
            retryable=False,
        )


# Connections


class LazyProvider:
    """Connections to validators over gRPC, whose modules are loaded when one is first needed."""

    def __init__(self, options: GlobalOptions) -> None:
        self._options = options
        self._real: GrpcProvider | None = None

    def connect(self, validator: "Secp256k1PublicKey", address: str) -> "ValidatorNode":
        """See `NodeProvider`."""
        return self.grpc().connect(validator, address)

    def grpc(self) -> "GrpcProvider":
        """The real provider, for commands that talk to addresses outside of the committee."""
        if self._real is None:
            from catenula.transport.grpc_client import GrpcProvider

            self._real = GrpcProvider(grpc_options(self._options))
        return self._real

    async def close(self) -> None:
        """Close what was connected."""
        if self._real is not None:
            await self._real.close()
