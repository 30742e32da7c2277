"""The local network for programs without ``async``.

    with SyncNetwork() as network:
        alice = network.wallet("alice", tokens=100)
        bob = network.wallet("bob")
        alice.chain.transfer(bob.chain, "2.5")
        bob.chain.receive()
        print(bob.chain.balance())

`SyncNetwork`, `SyncWallet` and `SyncChain` have the methods of `Network`, `NetworkWallet` and
`NetworkChain`, with the same meaning; each call waits for its result. They may be used from any
thread but the network's own.
"""

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

from catenula.base.closing import Closing
from catenula.base.identifiers import AccountOwner, ChainId
from catenula.base.integers import BlockHeight
from catenula.client import ClientOptions, Estimate
from catenula.client.options import DEFAULT_OPTIONS
from catenula.network.amounts import Tokens
from catenula.network.chain import (
    DEFAULT_PATIENCE_SECONDS,
    NetworkChain,
    Notifications,
    Receipt,
)
from catenula.network.chain import Recipient as AsyncRecipient
from catenula.network.configuration import NetworkShape
from catenula.network.loop_thread import LoopThread
from catenula.network.network import Network
from catenula.network.remote import RemoteNetwork, connect
from catenula.network.sync_applications import SyncApplications
from catenula.network.wallet import NetworkWallet
from catenula.protocol import (
    Account,
    ApplicationPermissions,
    Block,
    ChainDescription,
    ChainOwnership,
    Notification,
    Operation,
    TimeoutConfig,
)

if TYPE_CHECKING:
    from catenula.transport.grpc_client import GrpcOptions

T = TypeVar("T")

SyncRecipient: TypeAlias = "SyncChain | ChainId | Account | str"


class SyncChain(SyncApplications):
    """See `NetworkChain`."""

    def __init__(self, thread: LoopThread, chain: NetworkChain) -> None:
        self._thread, self._chain = thread, chain

    @property
    def id(self) -> ChainId:
        """See `NetworkChain.id`."""
        return self._chain.id

    def __repr__(self) -> str:
        return f"SyncChain({self.id}, wallet {self._chain.wallet.name!r})"

    def balance(self, owner: AccountOwner | None = None) -> Decimal:
        """See `NetworkChain.balance`."""
        return self._thread.run(self._chain.balance(owner))

    def height(self) -> BlockHeight:
        """See `NetworkChain.height`."""
        return self._thread.run(self._chain.height())

    def ownership(self) -> ChainOwnership:
        """See `NetworkChain.ownership`."""
        return self._thread.call(self._chain.ownership)

    def is_closed(self) -> bool:
        """See `NetworkChain.is_closed`."""
        return self._thread.call(self._chain.is_closed)

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """See `NetworkChain.blocks`."""
        found = self._thread.call(lambda: self._chain.blocks(start, stop))
        while (block := self._thread.call(lambda: next(found, None))) is not None:
            yield block

    def notifications(self) -> Iterator[Notification]:
        """See `NetworkChain.notifications`; each step waits for the next one."""
        found = self._thread.call(self._chain.notifications)
        return self._wait_for_each(found)

    def _wait_for_each(self, found: Notifications) -> Iterator[Notification]:
        try:
            while True:
                yield self._thread.run(found.__anext__())
        finally:
            if not self._thread.is_closed:
                self._thread.call(found.close)

    def estimate(self, *operations: Operation) -> Estimate:
        """See `NetworkChain.estimate`."""
        return self._thread.run(self._chain.estimate(*operations))

    def execute(self, *operations: Operation) -> Receipt:
        """See `NetworkChain.execute`."""
        return self._thread.run(self._chain.execute(*operations))

    def transfer(
        self, recipient: SyncRecipient, tokens: Tokens, *, owner: AccountOwner | None = None
    ) -> Receipt:
        """See `NetworkChain.transfer`."""
        target: AsyncRecipient = recipient.id if isinstance(recipient, SyncChain) else recipient
        return self._thread.run(self._chain.transfer(target, tokens, owner=owner))

    def open_chain(
        self,
        ownership: ChainOwnership,
        tokens: Tokens = 0,
        *,
        permissions: ApplicationPermissions | None = None,
    ) -> tuple[ChainDescription, Receipt]:
        """See `NetworkChain.open_chain`."""
        return self._thread.run(self._chain.open_chain(ownership, tokens, permissions=permissions))

    def change_owners(
        self,
        owners: Sequence[AccountOwner] | Mapping[AccountOwner, int],
        *,
        multi_leader_rounds: int = 5,
        open_to_all: bool = False,
        timeouts: TimeoutConfig | None = None,
    ) -> Receipt:
        """See `NetworkChain.change_owners`."""
        return self._thread.run(
            self._chain.change_owners(
                owners,
                multi_leader_rounds=multi_leader_rounds,
                open_to_all=open_to_all,
                timeouts=timeouts,
            )
        )

    def close(self) -> Receipt:
        """See `NetworkChain.close`."""
        return self._thread.run(self._chain.close())

    def synchronize(self) -> None:
        """See `NetworkChain.synchronize`."""
        self._thread.run(self._chain.synchronize())

    def process_inbox(self) -> list[Receipt]:
        """See `NetworkChain.process_inbox`."""
        return self._thread.run(self._chain.process_inbox())

    def receive(
        self, bundles: int = 1, *, patience_seconds: float = DEFAULT_PATIENCE_SECONDS
    ) -> list[Receipt]:
        """See `NetworkChain.receive`."""
        return self._thread.run(self._chain.receive(bundles, patience_seconds=patience_seconds))


class SyncWallet:
    """See `NetworkWallet`."""

    def __init__(self, thread: LoopThread, wallet: NetworkWallet) -> None:
        self._thread, self._wallet = thread, wallet

    @property
    def wrapped(self) -> NetworkWallet:
        """The wallet itself; to be used in the network's thread only (`SyncNetwork.inspect`)."""
        return self._wallet

    @property
    def name(self) -> str:
        """The wallet's name."""
        return self._wallet.name

    @property
    def owner(self) -> AccountOwner:
        """See `NetworkWallet.owner`."""
        return self._thread.call(lambda: self._wallet.owner)

    @property
    def chain(self) -> SyncChain:
        """See `NetworkWallet.chain`."""
        return self._wrap(self._thread.call(lambda: self._wallet.chain))

    def chains(self) -> list[SyncChain]:
        """See `NetworkWallet.chains`."""
        return [self._wrap(chain) for chain in self._thread.call(self._wallet.chains)]

    def handle(self, chain_id: ChainId) -> SyncChain:
        """See `NetworkWallet.handle`."""
        return self._wrap(self._thread.call(lambda: self._wallet.handle(chain_id)))

    def new_owner(self) -> AccountOwner:
        """See `NetworkWallet.new_owner`."""
        return self._thread.run(self._wallet.new_owner())

    def take(self, chain_id: ChainId, owner: AccountOwner | None = None) -> SyncChain:
        """See `NetworkWallet.take`."""
        return self._wrap(self._thread.run(self._wallet.take(chain_id, owner)))

    def follow(self, chain_id: ChainId) -> SyncChain:
        """See `NetworkWallet.follow`."""
        return self._wrap(self._thread.run(self._wallet.follow(chain_id)))

    def _wrap(self, chain: NetworkChain) -> SyncChain:
        return SyncChain(self._thread, chain)


class _Network(Protocol):
    """What the embedded and the remote network have in common."""

    @property
    def admin_chain_id(self) -> ChainId:
        """The chain that announces committees."""
        ...

    async def wallet(self, name: str, tokens: Tokens = 0) -> NetworkWallet:
        """The wallet of this name."""
        ...

    async def new_chain(
        self, wallet: NetworkWallet, ownership: ChainOwnership, tokens: Tokens = 0
    ) -> ChainId:
        """A new chain for a wallet."""
        ...

    async def settled(self) -> None:
        """Return when nothing is on its way."""
        ...

    async def close(self) -> None:
        """End."""
        ...


N = TypeVar("N", bound=_Network)


class SyncWallets(Closing, Generic[N]):
    """A network's wallets, and the thread it lives in. A context manager; else call `close`."""

    def __init__(self, start: Coroutine[Any, Any, N]) -> None:
        """Start the network in a thread of its own."""
        self._thread = LoopThread("catenula-network")
        try:
            self._network: N = self._thread.run(start)
        except BaseException:
            self._thread.close()
            raise

    @property
    def admin_chain_id(self) -> ChainId:
        """The chain that announces committees."""
        return self._network.admin_chain_id

    def inspect(self, read: Callable[[N], T]) -> T:
        """What ``read`` finds in the network; it runs in the network's thread and must not wait."""
        return self._thread.call(lambda: read(self._network))

    def wallet(self, name: str, tokens: Tokens = 0) -> SyncWallet:
        """See `Network.wallet` and `RemoteNetwork.wallet`."""
        return SyncWallet(self._thread, self._thread.run(self._network.wallet(name, tokens)))

    def new_chain(
        self, wallet: SyncWallet, ownership: ChainOwnership, tokens: Tokens = 0
    ) -> ChainId:
        """See `Network.new_chain` and `RemoteNetwork.new_chain`."""
        return self._thread.run(self._network.new_chain(wallet.wrapped, ownership, tokens))

    def settled(self) -> None:
        """See `Network.settled` and `RemoteNetwork.settled`."""
        self._thread.run(self._network.settled())

    def close(self) -> None:
        """End the network's part in this process; a second call does nothing."""
        if self._thread.is_closed:
            return
        try:
            self._thread.run(self._network.close())
        finally:
            self._thread.close()


class SyncRemoteNetwork(SyncWallets[RemoteNetwork]):
    """See `RemoteNetwork`."""


class SyncNetwork(SyncWallets[Network]):
    """See `Network`."""

    def __init__(
        self,
        validators: int = 4,
        *,
        workers: int = 1,
        folder: str | Path | None = None,
        engine: str | None = None,
        shape: NetworkShape | None = None,
    ) -> None:
        """As `Network.start`."""
        super().__init__(
            Network.start(validators, workers=workers, folder=folder, engine=engine, shape=shape)
        )

    def stop_validator(self, index: int) -> None:
        """See `Network.stop_validator`."""
        self._thread.run(self._network.stop_validator(index))

    def start_validator(self, index: int) -> None:
        """See `Network.start_validator`."""
        self._thread.run(self._network.start_validator(index))

    def slow_validator(self, index: int, seconds: float) -> None:
        """See `Network.slow_validator`."""
        self._thread.call(lambda: self._network.slow_validator(index, seconds))

    def wait_for_height(
        self,
        chain_id: ChainId,
        height: int,
        *,
        patience_seconds: float = DEFAULT_PATIENCE_SECONDS,
    ) -> None:
        """See `Network.wait_for_height`."""
        self._thread.run(
            self._network.wait_for_height(chain_id, height, patience_seconds=patience_seconds)
        )


def connect_sync(
    faucet_url: str,
    *,
    folder: str | Path | None = None,
    options: ClientOptions = DEFAULT_OPTIONS,
    transport: "GrpcOptions | None" = None,
) -> SyncRemoteNetwork:
    """See `catenula.network.remote.connect`."""
    return SyncRemoteNetwork(
        connect(faucet_url, folder=folder, options=options, transport=transport)
    )
