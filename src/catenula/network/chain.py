"""`NetworkChain`: a chain in somebody's wallet, with what people do on it."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, Self, TypeAlias

from catenula.base.errors import DecodeError, LocalError
from catenula.base.identifiers import AccountOwner, ChainId, CryptoHash
from catenula.base.integers import U32, U64, BlockHeight
from catenula.client import ChainClient, Estimate, WaitForTimeout
from catenula.client.errors import Explanation, Reason, UnknownChain
from catenula.network.amounts import Tokens, amount_from, tokens_of
from catenula.network.applications import ChainApplications
from catenula.protocol import (
    DEFAULT_OWNER_WEIGHT,
    Account,
    ApplicationPermissions,
    Block,
    ChainDescription,
    ChainOwnership,
    CloseChain,
    ConfirmedBlockCertificate,
    IncomingBundle,
    Notification,
    OpenChain,
    OpenChainConfig,
    Operation,
    TimeoutConfig,
    Transfer,
    change_ownership_to,
)
from catenula.validator.notifier import Subscription

if TYPE_CHECKING:
    from catenula.network.wallet import NetworkWallet

Recipient: TypeAlias = "NetworkChain | ChainId | Account | str"
"""Where tokens go: a chain (its own account), or an account, also as text ``owner@chain``."""
DEFAULT_PATIENCE_SECONDS = 30.0


class Receipt(NamedTuple):
    """A final block: where it is, and which bundles it took in."""

    chain_id: ChainId
    height: BlockHeight
    block_hash: CryptoHash
    received: tuple[IncomingBundle, ...]


class NetworkChain(ChainApplications):
    """A chain as one wallet uses it. Commands return when their block is final.

    All commands raise `catenula.client.ClientError` with what, where, why, and what to do next.
    """

    def __init__(self, wallet: "NetworkWallet", client: ChainClient) -> None:
        self.wallet, self.client = wallet, client

    @property
    def id(self) -> ChainId:
        """The chain's id."""
        return self.client.chain_id

    def __repr__(self) -> str:
        return f"NetworkChain({self.id}, wallet {self.wallet.name!r})"

    # Reading

    async def balance(self, owner: AccountOwner | None = None) -> Decimal:
        """Tokens of the chain's own account, or of an owner's account on it, as of its tip."""
        return tokens_of(await self.client.local_balance(owner or AccountOwner.CHAIN))

    async def height(self) -> BlockHeight:
        """The number of blocks."""
        return (await self.client.info()).next_block_height

    def ownership(self) -> ChainOwnership:
        """Who may propose blocks."""
        return self.client.state().execution.system.ownership.get()

    def is_closed(self) -> bool:
        """Whether the chain is closed."""
        return self.client.state().execution.system.closed.get()

    async def estimate(self, *operations: Operation) -> Estimate:
        """Fees and fuel of a block with these operations; nothing is signed."""
        return await self.client.estimate(operations)

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """The chain's blocks from height ``start`` up to before ``stop``, as far as they are here.

        `synchronize` fetches what validators have beyond.
        """
        local = self.client.context.local
        end = local.chain(self.id).next_block_height
        for height in range(start, end if stop is None else min(stop, end)):
            certificate = local.certificate_at(self.id, BlockHeight(height))
            if certificate is not None:
                yield certificate.block

    def notifications(self) -> "Notifications":
        """What happens on the chain from now on, for ``async for``.

        Blocks, incoming bundles, events: each is told once, when the wallet's own node has checked
        it. Validators are listened to as long as the wallet is open.
        """
        return Notifications(self.wallet.subscribe(self.id))

    # Writing

    async def execute(self, *operations: Operation) -> Receipt:
        """One block with the waiting messages and these operations."""
        return receipt_of(await self.client.commit(operations))

    async def transfer(
        self, recipient: Recipient, tokens: Tokens, *, owner: AccountOwner | None = None
    ) -> Receipt:
        """Send tokens from the chain's account, or from an owner's account on it."""
        source = owner or AccountOwner.CHAIN
        operation = Transfer(source, account_of(recipient), amount_from(tokens))
        return await self.execute(operation)

    async def open_chain(
        self,
        ownership: ChainOwnership,
        tokens: Tokens = 0,
        *,
        permissions: ApplicationPermissions | None = None,
    ) -> tuple[ChainDescription, Receipt]:
        """Create a child chain with some of this chain's tokens.

        ``permissions`` says what applications may do there, and which may run at all.
        """
        config = OpenChainConfig(
            ownership, amount_from(tokens), permissions or ApplicationPermissions()
        )
        certificate = await self.client.commit((OpenChain(config),))
        return certificate.block.created_chains()[-1], receipt_of(certificate)

    async def change_owners(
        self,
        owners: Sequence[AccountOwner] | Mapping[AccountOwner, int],
        *,
        multi_leader_rounds: int = 5,
        open_to_all: bool = False,
        timeouts: TimeoutConfig | None = None,
    ) -> Receipt:
        """Replace the owners; without any, the chain is deactivated for good.

        ``open_to_all`` lets anybody propose in the multi-leader rounds.
        """
        weights = (
            dict(owners)
            if isinstance(owners, Mapping)
            else dict.fromkeys(owners, DEFAULT_OWNER_WEIGHT)
        )
        ownership = ChainOwnership(
            owners={owner: U64(weights[owner]) for owner in sorted(weights)},
            multi_leader_rounds=U32(multi_leader_rounds if weights or open_to_all else 0),
            open_multi_leader_rounds=open_to_all,
            timeout_config=timeouts or TimeoutConfig(),
        )
        return await self.execute(change_ownership_to(ownership))

    async def close(self) -> Receipt:
        """Close the chain: no operation any more, and messages to it bounce."""
        return await self.execute(CloseChain())

    # Receiving

    async def synchronize(self) -> None:
        """Learn what the validators know about the chain, messages to it included."""
        await self.client.synchronize()

    async def process_inbox(self) -> list[Receipt]:
        """Take in the messages that validators have for the chain, if any."""
        await self.client.find_received_certificates()
        certificates, stopped = await self.client.process_inbox()
        while isinstance(stopped, WaitForTimeout):
            await self.client.context.clock.sleep_until(stopped.timestamp)
            more, stopped = await self.client.process_inbox()
            certificates += more
        return [receipt_of(certificate) for certificate in certificates]

    async def receive(
        self, bundles: int = 1, *, patience_seconds: float = DEFAULT_PATIENCE_SECONDS
    ) -> list[Receipt]:
        """Wait until at least this many message bundles are taken in; `LocalError` if none come."""
        changes = self.wallet.changes_of(self.id)
        receipts = await self.process_inbox()
        while sum(len(receipt.received) for receipt in receipts) < bundles:
            try:
                await asyncio.wait_for(changes.wait(), patience_seconds)
            except TimeoutError as error:
                raise LocalError(
                    f"no message arrived on chain {self.id} within {patience_seconds:g} s; "
                    "check that the sender's block is final and that enough validators run",
                    retryable=True,
                ) from error
            changes.clear()
            receipts += await self.process_inbox()
        return receipts


class Notifications:
    """The notifications of one chain; ends with a `LocalError` when the wallet is closed."""

    def __init__(self, subscription: Subscription[Notification]) -> None:
        self._subscription = subscription
        self._is_closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Notification:
        return await self._subscription.next()

    def close(self) -> None:
        """Stop; also done when nobody holds this any more."""
        if not self._is_closed:
            self._is_closed = True
            self._subscription.close()

    def __del__(self) -> None:
        self.close()


def receipt_of(certificate: ConfirmedBlockCertificate) -> Receipt:
    """What a person wants to know of a final block."""
    block = certificate.block
    received = tuple(block.proposed.incoming_bundles())
    return Receipt(block.chain_id, block.height, block.hash, received)


def account_of(recipient: Recipient) -> Account:
    """The account meant by a chain, an id, an account or its text; `UnknownChain` for others."""
    if isinstance(recipient, NetworkChain):
        return Account.chain(recipient.id)
    if isinstance(recipient, Account):
        return recipient
    if isinstance(recipient, ChainId):
        return Account.chain(recipient)
    try:
        return Account.parse(recipient)
    except DecodeError as error:
        raise UnknownChain(
            Explanation(
                f"{recipient!r} is neither a chain nor an account",
                reasons=(Reason(error.message()),),
                next_step="write the id of a chain (64 hex digits), or OWNER@CHAIN",
            )
        ) from error
