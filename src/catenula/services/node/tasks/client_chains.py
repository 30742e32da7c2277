"""A client's chains as a controller decides on them."""

from catenula.base.identifiers import AccountOwner, ChainId
from catenula.client.chain_listener import ChainListener
from catenula.client.client import Client
from catenula.client.errors import NotAnOwner
from catenula.client.message_policy import MessagePolicy


class ClientChains:
    """Chains of a client that a listener follows; a paused service follows none.

    A chain that the wallet does not have is taken in for the worker's owner, or to be read only
    where that may not propose.
    """

    def __init__(self, client: Client, listener: ChainListener, *, is_paused: bool) -> None:
        self._client, self._listener, self._is_paused = client, listener, is_paused
        self._taken: set[ChainId] = set()

    def owner(self, chain_id: ChainId) -> AccountOwner | None:
        """Who proposes on a chain."""
        return self._client.chain(chain_id).owner

    async def listen(self, chain_id: ChainId, owner: AccountOwner) -> None:
        """Follow a chain; raises `ClientError` when it is found nowhere."""
        if self._client.wallet.chain(chain_id) is None:
            try:
                await self._client.assign(owner, chain_id)
            except NotAnOwner:
                await self._client.follow(chain_id)
        if not self._is_paused and not self._listener.follows(chain_id):
            self._taken.add(chain_id)
            self._listener.listen((chain_id,))

    def stop_listening(self, chain_id: ChainId) -> None:
        """Follow a chain no more, unless the wallet's owner follows it anyway."""
        if chain_id in self._taken:
            self._taken.remove(chain_id)
            self._listener.stop_listening(chain_id)

    def set_policy(self, chain_id: ChainId, policy: MessagePolicy) -> None:
        """Choose which messages are taken in."""
        self._client.chain(chain_id).set_message_policy(policy)
