"""Commands on a chain that become one block each (spec 07 §9.5)."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar

from catenula.base.identifiers import AccountOwner, ChainId
from catenula.base.integers import U32, U64, Amount, Epoch
from catenula.chain.chain_state import ChainState
from catenula.client.errors import BlockRefused, Explanation
from catenula.client.explain import amount_of
from catenula.client.outcomes import Committed, Outcome
from catenula.client.propose import BlockOutcome
from catenula.protocol import (
    DEFAULT_MULTI_LEADER_ROUNDS,
    DEFAULT_OWNER_WEIGHT,
    Account,
    ApplicationPermissions,
    BlobContent,
    BlobType,
    ChainDescription,
    ChainOwnership,
    ChangeApplicationPermissions,
    Claim,
    CloseChain,
    Committee,
    ConfirmedBlockCertificate,
    CreateCommittee,
    OpenChain,
    OpenChainConfig,
    Operation,
    PublishCommitteeBlob,
    PublishDataBlob,
    RemoveCommittee,
    Transfer,
    change_ownership_to,
    data_blob,
)

_T = TypeVar("_T")

NOTHING = Amount(0)


class ChainCommands:
    """What can be done on a chain, in terms of `execute`. All raise `ClientError`."""

    @abstractmethod
    async def execute(
        self, operations: Sequence[Operation] = (), blobs: Sequence[BlobContent] = ()
    ) -> BlockOutcome:
        """One block with these operations."""

    @abstractmethod
    def state(self) -> ChainState:
        """The local copy of the chain."""

    # Tokens

    async def transfer(
        self,
        recipient: Account,
        amount: Amount | str,
        *,
        owner: AccountOwner = AccountOwner.CHAIN,
    ) -> BlockOutcome:
        """Move tokens from an account of this chain; attotokens, or text in tokens."""
        return await self.execute((Transfer(owner, recipient, _amount(amount)),))

    async def claim(
        self,
        owner: AccountOwner,
        target_id: ChainId,
        *,
        recipient: Account,
        amount: Amount | str,
    ) -> BlockOutcome:
        """Move tokens from the owner's account on another chain."""
        return await self.execute((Claim(owner, target_id, recipient, _amount(amount)),))

    # Chains

    async def open_chain(
        self,
        ownership: ChainOwnership,
        balance: Amount | str = NOTHING,
        *,
        permissions: ApplicationPermissions | None = None,
    ) -> Outcome[ChainDescription]:
        """Create a child chain; it enters the wallet if one of its keys is here."""
        config = OpenChainConfig(
            ownership, _amount(balance), permissions or ApplicationPermissions()
        )
        outcome = await self.execute((OpenChain(config),))
        return _mapped(outcome, _last_description)

    async def close_chain(self) -> Outcome[ConfirmedBlockCertificate | None]:
        """Close the chain; nothing happens when it is closed already."""
        if self.state().execution.system.closed.get():
            return Committed(None)
        return await self.execute((CloseChain(),))

    async def change_ownership(self, ownership: ChainOwnership) -> BlockOutcome:
        """Replace the ownership as a whole; an empty one deactivates the chain for good."""
        return await self.execute((change_ownership_to(ownership),))

    async def transfer_ownership(self, owner: AccountOwner) -> BlockOutcome:
        """Hand the chain to another owner, as its only super owner."""
        return await self.change_ownership(ChainOwnership.single_super(owner))

    async def share_ownership(
        self, owner: AccountOwner, weight: int = DEFAULT_OWNER_WEIGHT
    ) -> BlockOutcome:
        """Add an owner; super owners become regular ones, rounds and time-outs stay."""
        current = self.state().execution.system.ownership.get()
        weights = {
            **dict.fromkeys(current.super_owners, DEFAULT_OWNER_WEIGHT),
            **current.owners,
            owner: U64(weight),
        }
        rounds = current.multi_leader_rounds or DEFAULT_MULTI_LEADER_ROUNDS
        shared = ChainOwnership(
            owners={key: weights[key] for key in sorted(weights)},
            multi_leader_rounds=U32(rounds),
            open_multi_leader_rounds=current.open_multi_leader_rounds,
            timeout_config=current.timeout_config,
        )
        return await self.change_ownership(shared)

    async def change_application_permissions(
        self, permissions: ApplicationPermissions
    ) -> BlockOutcome:
        """Replace what applications may do on the chain."""
        return await self.execute((ChangeApplicationPermissions(permissions),))

    # Data

    async def publish_data_blob(self, content: bytes) -> BlockOutcome:
        """Publish bytes that applications can read by their hash."""
        blob = data_blob(content)
        return await self.execute((PublishDataBlob(blob.hash),), (blob,))

    # The admin chain

    async def stage_new_committee(self, committee: Committee) -> Outcome[ConfirmedBlockCertificate]:
        """Publish a committee and make it that of the next epoch, in two blocks."""
        blob = BlobContent(BlobType.COMMITTEE, committee.bcs)
        published = await self.execute((PublishCommitteeBlob(blob.hash),), (blob,))
        if not isinstance(published, Committed):
            return published
        epoch = Epoch(self.state().epoch + 1)
        return await self.execute((CreateCommittee(epoch, blob.hash),))

    async def revoke_epochs(self, epoch: Epoch) -> BlockOutcome:
        """Stop trusting all epochs up to this one; it must lie before the current one."""
        system = self.state().execution.system
        active = sorted(system.committees.get())
        removed = [number for number in active if number <= epoch]
        if epoch >= system.epoch.get() or not removed:
            raise BlockRefused(
                Explanation(
                    f"Epoch {epoch} cannot be revoked; active are {active}",
                    self.state().chain_id,
                    next_step="name an active epoch below the current one",
                )
            )
        return await self.execute(tuple(RemoveCommittee(Epoch(number)) for number in removed))


def _amount(amount: Amount | str) -> Amount:
    return amount_of(amount) if isinstance(amount, str) else amount


def _mapped(outcome: BlockOutcome, read: Callable[[ConfirmedBlockCertificate], _T]) -> Outcome[_T]:
    return Committed(read(outcome.value)) if isinstance(outcome, Committed) else outcome


def _last_description(certificate: ConfirmedBlockCertificate) -> ChainDescription:
    """The chain that the last operation of a block created."""
    return certificate.block.created_chains()[-1]
