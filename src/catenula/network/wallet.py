"""`NetworkWallet`: one person's keys and chains on a network, wherever it runs."""

import asyncio
import secrets

from catenula.base.crypto import AccountSecretKey, SignatureScheme
from catenula.base.errors import LocalError
from catenula.base.identifiers import AccountOwner, ChainId
from catenula.client import Client, ClientSetup, WalletSigner
from catenula.client.notifications import Listener, ListeningMode
from catenula.network.chain import NetworkChain
from catenula.protocol import Notification
from catenula.validator.notifier import Subscription


class NetworkWallet:
    """Keys and chains in one store; every wallet has a node of its own."""

    def __init__(self, name: str, setup: ClientSetup) -> None:
        self.name = name
        self.client = Client(setup)
        self._chains: dict[ChainId, NetworkChain] = {}
        self._changes: dict[ChainId, asyncio.Event] = {}
        self._listener: Listener | None = None

    @property
    def owner(self) -> AccountOwner:
        """The wallet's first key, as an owner; `LocalError` when it has none."""
        owners = self.client.wallet.key_owners()
        if not owners:
            raise LocalError(f"wallet {self.name!r} has no key yet", retryable=False)
        return owners[0]

    @property
    def chain(self) -> NetworkChain:
        """The default chain; `LocalError` when the wallet has none."""
        chain_id = self.client.wallet.default_chain()
        if chain_id is None:
            raise LocalError(f"wallet {self.name!r} has no chain yet", retryable=False)
        return self.handle(chain_id)

    def chains(self) -> list[NetworkChain]:
        """All chains of the wallet."""
        return [self.handle(chain_id) for chain_id in self.client.wallet.chain_ids()]

    def handle(self, chain_id: ChainId) -> NetworkChain:
        """The handle of a chain, in the wallet or not."""
        found = self._chains.get(chain_id)
        if found is None:
            found = self._chains[chain_id] = NetworkChain(self, self.client.chain(chain_id))
        return found

    async def new_owner(self) -> AccountOwner:
        """Make a new key; the owner that stands for it."""
        signer = self.client.signer
        if not isinstance(signer, WalletSigner):
            raise LocalError(f"wallet {self.name!r} does not hold its own keys", retryable=False)
        key = AccountSecretKey.generate(SignatureScheme.ED25519, secrets.token_bytes)
        return await signer.add(key)

    async def take(self, chain_id: ChainId, owner: AccountOwner | None = None) -> NetworkChain:
        """Take a chain into the wallet for one of its owners (by default the wallet's first)."""
        await self.client.assign(owner or self.owner, chain_id)
        return self.handle(chain_id)

    async def follow(self, chain_id: ChainId) -> NetworkChain:
        """Take a chain into the wallet to read it only."""
        await self.client.follow(chain_id)
        return self.handle(chain_id)

    def changes_of(self, chain_id: ChainId) -> asyncio.Event:
        """An event that is set when validators tell of something new on the chain."""
        found = self._changes.get(chain_id)
        if found is None:
            found = self._changes[chain_id] = asyncio.Event()
            self._listen_to(chain_id)
        return found

    def subscribe(self, chain_id: ChainId) -> Subscription[Notification]:
        """What happens on a chain from now on, as this wallet's own node sees it."""
        subscription = self.client.context.local.driver.notifier.subscribe((chain_id,))
        self._listen_to(chain_id)
        return subscription

    def _listen_to(self, chain_id: ChainId) -> None:
        row = self.client.wallet.chain(chain_id)
        is_owned = row is not None and row.owner is not None
        mode = ListeningMode.FULL_CHAIN if is_owned else ListeningMode.FOLLOW_CHAIN
        self.listener.follow((chain_id,), mode)

    @property
    def listener(self) -> Listener:
        """Listens to validators about the chains somebody waits for."""
        if self._listener is None:
            self._listener = self.client.listener()
            self.client.context.local.driver.notifier.watchers.append(self._heard)
        return self._listener

    def _heard(self, notification: Notification) -> None:
        """The wallet's own node has something new, checked."""
        event = self._changes.get(notification.chain_id)
        if event is not None:
            event.set()

    async def close(self) -> None:
        """Stop listening, make everything durable, close the store."""
        await self.client.close()
