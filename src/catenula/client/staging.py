"""Making a block and trying it out before anyone signs it (spec 07 §7.2-7.4)."""

from collections.abc import Sequence

from msgspec import Struct

from catenula.base.identifiers import AccountOwner
from catenula.base.integers import Amount, Timestamp
from catenula.base.limits import MAX_STAGING_HELP
from catenula.chain.chain_state import ChainState
from catenula.chain.ownership_rules import (
    fallback_owners,
    may_propose_in_multi_leader_round,
)
from catenula.client.context import ClientContext
from catenula.client.errors import (
    EmptyBlock,
    Explanation,
    InactiveChain,
    MissingKey,
    NoOwnerConfigured,
    NotAnOwner,
)
from catenula.client.events import epoch_operations, stream_updates
from catenula.client.explain import explain_refusal
from catenula.client.inbox import select_bundles
from catenula.client.local_node import by_id
from catenula.client.processing import fetch_missing
from catenula.client.session import ChainSession
from catenula.execution.staging import StagingMode, StagingPolicy, never
from catenula.protocol import (
    BlobContent,
    BlobId,
    EventId,
    ExecuteOperation,
    IncomingBundle,
    NodeErrorReceived,
    Operation,
    ProposedBlock,
    ReceiveMessages,
    Round,
    Transaction,
)
from catenula.worker import StagedBlock

ABORT = StagingPolicy(mode=StagingMode.ABORT)


class Estimate(Struct, frozen=True):
    """What a block would cost: fees in attotokens, fuel in units, all per block.

    ``transaction_fees`` has one entry per transaction, incoming bundles first.
    """

    fees: Amount
    wasm_fuel: int
    evm_fuel: int
    block_size: int
    messages: int
    transaction_fees: tuple[Amount, ...]
    rejected_bundles: int
    dropped_bundles: int


# Who signs


async def identity(context: ClientContext, session: ChainSession) -> AccountOwner:
    """The owner that proposes on the chain.

    Raises `NoOwnerConfigured`, `InactiveChain`, `NotAnOwner`, `MissingKey` (spec 07 §7.2).
    """
    chain, owner = context.local.chain(session.chain_id), session.owner
    ownership = chain.execution.system.ownership.get()
    place = Explanation("", session.chain_id, chain.next_block_height, who=owner)
    if owner is None:
        raise NoOwnerConfigured(
            _told(
                place,
                "The wallet has no owner for this chain: it is followed only",
                "assign the chain to an owner whose key is in the wallet",
            )
        )
    if not ownership.is_active():
        raise InactiveChain(
            _told(
                place,
                "The chain has no owners: it is deactivated",
                "use another chain; a chain without owners stays deactivated",
            )
        )
    if not may_propose(chain, owner):
        raise NotAnOwner(
            _told(
                place,
                "The owner may not propose blocks of this chain",
                "choose one of the chain's owners, or ask one of them to share the chain",
            )
        )
    if not await context.signer.contains_key(owner):
        raise MissingKey(
            _told(
                place,
                "This wallet does not hold the key of the chain's owner",
                "import the key, or choose another owner",
            )
        )
    return owner


def _told(place: Explanation, what: str, next_step: str) -> Explanation:
    return Explanation(what, place.chain_id, place.height, who=place.who, next_step=next_step)


def may_propose(chain: ChainState, owner: AccountOwner) -> bool:
    """Whether ``owner`` may propose on the chain; where it has no owners, validators may."""
    ownership = chain.execution.system.ownership.get()
    if may_propose_in_multi_leader_round(ownership, owner):
        return True
    if ownership.owners or ownership.super_owners:
        return False
    return owner in fallback_owners(chain.current_committee())


# What goes into the block


def new_block(
    context: ClientContext,
    session: ChainSession,
    operations: Sequence[Operation],
    *,
    signer: AccountOwner | None,
) -> ProposedBlock:
    """A block on top of the local tip: epochs, messages, events, then the operations.

    Raises `EmptyBlock` when there is nothing for it.
    """
    chain = context.local.chain(session.chain_id)
    bundles = select_bundles(chain, session, context.options)
    transactions = _transactions(context, chain, session, bundles, operations)
    if not transactions:
        raise EmptyBlock(
            Explanation(
                "There is nothing to put into a block",
                session.chain_id,
                chain.next_block_height,
                next_step="nothing needs to be done",
            )
        )
    newest = max((bundle.bundle.timestamp for bundle in bundles), default=Timestamp(0))
    system, tip = chain.execution.system, chain.tip
    timestamp = max(context.clock.now(), newest, system.timestamp.get())
    return ProposedBlock(
        session.chain_id,
        system.epoch.get(),
        transactions,
        tip.next_block_height,
        timestamp,
        signer,
        tip.block_hash,
    )


def _transactions(
    context: ClientContext,
    chain: ChainState,
    session: ChainSession,
    bundles: Sequence[IncomingBundle],
    operations: Sequence[Operation],
) -> tuple[Transaction, ...]:
    received: list[Transaction] = [ReceiveMessages(bundle) for bundle in bundles]
    if chain.execution.system.closed.get():
        return (*received, *(ExecuteOperation(operation) for operation in operations))
    epochs = epoch_operations(context, chain)
    streams = stream_updates(context, chain, session)
    return (
        *(ExecuteOperation(operation) for operation in epochs),
        *received,
        *(ExecuteOperation(operation) for operation in (*streams, *operations)),
    )


# Trying it out


def staging_policy(context: ClientContext, session: ChainSession) -> StagingPolicy:
    """How a new block deals with bundles that fail: put off, rejected, or dropped."""
    options, is_time_up = context.options, never
    if options.staging_bundles_time_budget_us is not None:
        deadline = context.clock.now() + options.staging_bundles_time_budget_us

        def is_over() -> bool:
            return context.clock.now() >= deadline

        is_time_up = is_over
    return StagingPolicy(
        mode=StagingMode.AUTO_RETRY,
        maximum_failures=options.max_block_limit_errors,
        never_reject=session.policy.never_reject_application_ids,
        is_time_up=is_time_up,
    )


async def stage(
    context: ClientContext,
    proposed: ProposedBlock,
    *,
    blobs: Sequence[BlobContent],
    round_: Round | None,
    policy: StagingPolicy = ABORT,
) -> StagedBlock:
    """Execute a block on the local node, fetching what it needs.

    Raises `ClientError` that explains a refusal, `DownloadFailed`.
    """
    published = by_id(blobs)
    fetched: set[BlobId | EventId] = set()
    attempts = 0
    while True:
        try:
            return await context.local.stage(
                proposed, round_=round_, blobs=published, policy=policy
            )
        except NodeErrorReceived as received:
            refusal = received
        attempts += 1
        if attempts > MAX_STAGING_HELP or not await fetch_missing(
            context, refusal, fetched=fetched, sources=context.nodes()
        ):
            signer = proposed.authenticated_signer
            raise explain_refusal(
                refusal, proposed.chain_id, height=proposed.height, owner=signer
            ) from refusal


async def stage_new_block(
    context: ClientContext,
    session: ChainSession,
    operations: Sequence[Operation],
    *,
    blobs: Sequence[BlobContent],
) -> StagedBlock:
    """The block that would be proposed for these operations, executed.

    Origins whose messages failed and may not be rejected are skipped from now on.
    """
    signer = await identity(context, session)
    proposed = new_block(context, session, operations, signer=signer)
    policy = staging_policy(context, session)
    round_ = _likely_round(context, session)
    staged = await stage(context, proposed, blobs=blobs, round_=round_, policy=policy)
    if policy.never_reject:
        session.skipped_origins.update(staged.held_origins)
    return staged


def _likely_round(context: ClientContext, session: ChainSession) -> Round:
    """The round a new proposal will most probably go to; another one only costs time."""
    manager = context.local.chain(session.chain_id).manager
    current = manager.current_round
    if current.is_fast and not context.options.allow_fast_blocks:
        return manager.rules.next_round(current) or current
    return current


def estimate_of(staged: StagedBlock) -> Estimate:
    """The costs of a staged block."""
    resources = staged.resources
    return Estimate(
        fees=Amount(resources.fees),
        wasm_fuel=resources.wasm_fuel,
        evm_fuel=resources.evm_fuel,
        block_size=resources.block_size,
        messages=resources.messages,
        transaction_fees=tuple(Amount(cost.fees) for cost in staged.costs),
        rejected_bundles=len(staged.rejected),
        dropped_bundles=len(staged.dropped),
    )
