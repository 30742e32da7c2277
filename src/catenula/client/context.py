"""What all flows of a client share: node, wallet, signer, validators, options, time, chance."""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from msgspec import Struct, field

from catenula.base.identifiers import ChainId
from catenula.client.hedged import Hedging
from catenula.client.local_node import LocalNode
from catenula.client.options import ClientOptions
from catenula.client.quorum import Patience
from catenula.client.remote_node import RemoteNode, Validators
from catenula.client.scheduler import RequestScheduler
from catenula.client.signers import Signer
from catenula.client.trust import Committees
from catenula.client.wallet import Wallet
from catenula.client.watcher import NOBODY, Watcher
from catenula.storage.engine import Store
from catenula.validator.chain_locks import ChainLocks
from catenula.validator.clock import Clock

if TYPE_CHECKING:
    from catenula.client.background import BackgroundUpdates
    from catenula.client.turns import ChainTurns


class ClientContext(Struct):
    """One client: everything its chains have in common."""

    local: LocalNode
    local_over: Callable[[Store], LocalNode]
    """Makes another node of the same kind over a store; its maker stops its driver."""
    wallet: Wallet
    signer: Signer
    validators: Validators
    committees: Committees
    options: ClientOptions
    clock: Clock
    random: Random
    updates: "BackgroundUpdates"
    downloads: RequestScheduler
    turns: "ChainTurns | None" = None
    """Where other processes use the store too."""
    watcher: Watcher = NOBODY
    """Hears how far downloads, uploads and inboxes are."""
    synchronizing: ChainLocks = field(default_factory=ChainLocks)
    """Blocks of a chain are processed by one task at a time; nobody downloads meanwhile."""

    @property
    def admin_chain_id(self) -> ChainId:
        """The chain that announces committees."""
        return self.committees.admin_chain_id

    @property
    def patience(self) -> Patience:
        """How long quorum calls collect further answers."""
        return Patience(self.clock, self.options.quorum_grace_period)

    def nodes(self) -> list[RemoteNode]:
        """The validators of the current committee."""
        return self.validators.of(self.committees.current())

    def blob_hedging(self) -> Hedging:
        """How blobs are downloaded."""
        return self._hedging(self.options.blob_download_hedge_delay_us)

    def certificate_hedging(self) -> Hedging:
        """How certificates are downloaded."""
        return self._hedging(self.options.certificate_download_hedge_delay_us)

    def _hedging(self, delay_us: int) -> Hedging:
        return Hedging(self.clock, self.random, delay_us, self.downloads.scores)
