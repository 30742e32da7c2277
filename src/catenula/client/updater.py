"""Bringing one validator up to date: certificates, blobs, consensus (spec 07 §5.4-5.6)."""

from collections.abc import Sequence

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import BlockHeight
from catenula.client.background import Update
from catenula.client.context import ClientContext
from catenula.client.errors import Explanation, LocalNodeLagging, Reason
from catenula.client.hedged import hedged
from catenula.client.processing import process_certificate
from catenula.client.remote_node import RemoteNode
from catenula.client.watcher import Span
from catenula.protocol import (
    EPOCH_STREAM_NAME,
    BlobId,
    BlobType,
    ChainInfo,
    ChainInfoQuery,
    ConfirmedBlockCertificate,
    LockingRegular,
    NodeErrorReceived,
    Round,
    Signatures,
    StreamId,
)
from catenula.protocol.node_error import (
    BlobsNotFound,
    EventsNotFound,
    InactiveChain,
    MissingCertificateValue,
    UnexpectedBlockHeight,
    WrongRound,
    describe_node_error,
)
from catenula.worker import ProcessMode

_EPOCH_STREAM = StreamId.system(EPOCH_STREAM_NAME)
_MENDED_BY_FULL_UPLOAD = (MissingCertificateValue, EventsNotFound, BlobsNotFound)


def signed_by(signatures: Signatures, remote: RemoteNode) -> bool:
    """Whether the validator is among the signers, and so has seen the value."""
    return any(validator == remote.public_key for validator, _ in signatures)


async def send_confirmed_certificate(
    context: ClientContext,
    remote: RemoteNode,
    certificate: ConfirmedBlockCertificate,
    *,
    blocking: bool = False,
    was_proposed: bool = False,
) -> ChainInfo:
    """Upload a certificate, by hash where that is enough, with what it needs (spec 07 §5.4).

    With ``was_proposed`` the hash is tried even if the validator is not among the signers: it has
    most probably seen the proposal, and its vote was not needed. The info returned is the
    validator's claim about itself.
    """
    node = remote.node
    if was_proposed or signed_by(certificate.signatures, remote):
        try:
            response = await node.handle_lite_certificate(
                certificate.lite(), wait_for_outgoing_messages=blocking
            )
        except NodeErrorReceived as received:
            # What is missing is given along with the full certificate.
            if not isinstance(received.error, _MENDED_BY_FULL_UPLOAD):
                raise
        else:
            return response.info
    return await _FullUpload(context, remote, certificate).run(blocking)


class _FullUpload:
    """Sending a full certificate; each kind of help is given once."""

    def __init__(
        self, context: ClientContext, remote: RemoteNode, certificate: ConfirmedBlockCertificate
    ) -> None:
        self._context, self._remote, self._certificate = context, remote, certificate
        self._sent_admin_chain = False
        self._sent_blobs = False

    async def run(self, blocking: bool) -> ChainInfo:
        while True:
            try:
                response = await self._remote.node.handle_confirmed_certificate(
                    self._certificate, wait_for_outgoing_messages=blocking
                )
            except NodeErrorReceived as received:
                if not await self._help(received):
                    raise
            else:
                return response.info

    async def _help(self, received: NodeErrorReceived) -> bool:
        """Whether something was sent that the validator lacked."""
        error, context = received.error, self._context
        admin = context.admin_chain_id
        if isinstance(error, EventsNotFound) and not self._sent_admin_chain:
            about_epochs = all(
                event.chain_id == admin and event.stream_id == _EPOCH_STREAM
                for event in error.event_ids
            )
            if about_epochs and self._certificate.chain_id != admin:
                self._sent_admin_chain = True
                height = context.local.known_height(admin)
                await bring_up_to_date(context, self._remote, Update(admin, height))
                return True
        if isinstance(error, BlobsNotFound) and not self._sent_blobs:
            self._sent_blobs = True
            required = self._certificate.block.required_blob_ids
            if error.blob_ids and required.issuperset(error.blob_ids):
                await upload_blobs(context, self._remote, error.blob_ids)
                return True
        return False


async def upload_blobs(
    context: ClientContext, remote: RemoteNode, blob_ids: Sequence[BlobId]
) -> None:
    """Upload stored blobs that a certificate requires; those not stored here are left out."""
    for blob_id in blob_ids:
        blob = context.local.blob(blob_id)
        if blob is not None:
            await remote.node.upload_blob(blob)


async def bring_up_to_date(context: ClientContext, remote: RemoteNode, update: Update) -> None:
    """Push a chain's certificates below a height, then what consensus knows (spec 07 §5.6)."""
    if update.target_height > 0:
        info = await _offer_latest(context, remote, update)
        if info is None or info.next_block_height < update.target_height:
            start = BlockHeight(0) if info is None else info.next_block_height
            await _send_range(context, remote, update, start)
    else:
        await send_description(context, remote, update.chain_id)
        info = await _query(remote, update.chain_id)
    if info is not None:
        await _send_consensus(context, remote, info)


async def _offer_latest(
    context: ClientContext, remote: RemoteNode, update: Update
) -> ChainInfo | None:
    """Send the newest certificate at once: most validators lack only that one."""
    last_height = BlockHeight(update.target_height - 1)
    latest = update.latest or context.local.certificate_at(update.chain_id, last_height)
    if latest is None:
        return await _query(remote, update.chain_id)
    try:
        return await send_confirmed_certificate(
            context,
            remote,
            latest,
            blocking=update.blocking,
            was_proposed=update.latest is not None,
        )
    except NodeErrorReceived:
        # It lacks more than this block; what it has is asked for.
        return await _query(remote, update.chain_id)


async def _query(remote: RemoteNode, chain_id: ChainId) -> ChainInfo | None:
    """What the validator has of a chain; None when it does not know the chain's description."""
    try:
        return await remote.chain_info(ChainInfoQuery(chain_id))
    except NodeErrorReceived as received:
        if isinstance(received.error, BlobsNotFound | InactiveChain):
            return None
        raise


async def _send_range(
    context: ClientContext, remote: RemoteNode, update: Update, start: BlockHeight
) -> None:
    if start == 0:
        await send_description(context, remote, update.chain_id)
    work = (remote.public_key, update.chain_id)
    span = Span(context.watcher, work, start=start, goal=update.target_height)
    for number in range(start, update.target_height):
        certificate = context.local.certificate_at(update.chain_id, BlockHeight(number))
        # A sparse copy of a sender's chain has gaps, which is intended.
        if certificate is not None:
            await send_confirmed_certificate(context, remote, certificate, blocking=update.blocking)
        span.reached(number + 1)


async def send_description(context: ClientContext, remote: RemoteNode, chain_id: ChainId) -> None:
    """Send the certificate that created a chain's description; none exists for genesis chains."""
    blob_id = BlobId(CryptoHash(chain_id), BlobType.CHAIN_DESCRIPTION)
    await send_certificates_for_blobs(context, remote, (blob_id,))


async def send_certificates_for_blobs(
    context: ClientContext, remote: RemoteNode, blob_ids: Sequence[BlobId]
) -> None:
    """Send the certificate that last used each blob; only that block, not the ones before it.

    A blob that this client only downloaded has none here: another validator is asked for it.
    """
    for blob_id in blob_ids:
        certificate = _last_use(context, blob_id)
        if certificate is None:
            certificate = await _last_use_elsewhere(context, remote, blob_id)
        if certificate is not None:
            await send_confirmed_certificate(context, remote, certificate)


def _last_use(context: ClientContext, blob_id: BlobId) -> ConfirmedBlockCertificate | None:
    shared = context.local.shared
    state = shared.blob_state(blob_id)
    if state is None or state.last_used_by is None:
        return None
    return shared.certificate(state.last_used_by)


async def _last_use_elsewhere(
    context: ClientContext, remote: RemoteNode, blob_id: BlobId
) -> ConfirmedBlockCertificate | None:
    """The certificate from another validator, processed here as well; None if nobody gives it."""
    others = [node for node in context.nodes() if node.public_key != remote.public_key]

    async def fetch(other: RemoteNode) -> None:
        certificate = await context.downloads.certificate_for_blob(other, blob_id)
        await process_certificate(
            context, certificate, mode=ProcessMode.PREPROCESS, sources=(other,)
        )

    try:
        await hedged(
            others,
            fetch,
            hedging=context.certificate_hedging(),
            what=f"the block that used {blob_id}",
        )
    except (ProtocolError, LocalError):
        # Without it this validator stays without the blob; a quorum may do without this validator.
        return None
    return _last_use(context, blob_id)


async def _send_consensus(context: ClientContext, remote: RemoteNode, info: ChainInfo) -> None:
    """Raise the validator to our round, best effort: lock, timeout, proposals in that order."""
    chain = context.local.chain(info.chain_id)
    manager = chain.manager
    target = manager.current_round
    reached = info.manager.current_round
    if chain.next_block_height != info.next_block_height or target <= reached:
        return
    node = remote.node
    locking, timeout = manager.locking_block, manager.timeout
    proposals = [manager.proposed, manager.signed_proposal]
    try:
        if isinstance(locking, LockingRegular) and locking.round == target:
            response = await node.handle_validated_certificate(locking.certificate)
            reached = response.info.manager.current_round
        if reached < target and timeout is not None and timeout.round >= reached:
            response = await node.handle_timeout_certificate(timeout)
            reached = response.info.manager.current_round
        for proposal in proposals:
            if reached < target and proposal is not None and proposal.content.round == target:
                response = await node.handle_block_proposal(proposal)
                reached = response.info.manager.current_round
    except (ProtocolError, LocalError):
        # The request this was meant to help tells what is wrong, if it still fails.
        return


async def sync_if_needed(
    context: ClientContext,
    remote: RemoteNode,
    received: NodeErrorReceived,
    *,
    chain_id: ChainId,
    round_: Round,
) -> bool:
    """Compare the validator's state with ours from the numbers of an error (spec 07 §5.5).

    True when the validator was behind and has been brought up to date; raises `LocalNodeLagging`
    when it is ahead of us; False when the error tells nothing.
    """
    error, ours = received.error, context.local.chain(chain_id).next_block_height
    if isinstance(error, WrongRound):
        if error.round == round_:
            return False
        if error.round > round_:
            raise lagging(remote, received, chain_id=chain_id, round_=error.round)
        await bring_up_to_date(context, remote, Update(chain_id, ours))
        return True
    if isinstance(error, UnexpectedBlockHeight):
        theirs = error.expected_block_height
        if theirs > error.found_block_height:
            raise lagging(remote, received, chain_id=chain_id, height=theirs)
        await bring_up_to_date(context, remote, Update(chain_id, ours))
        return True
    if isinstance(error, InactiveChain):
        height = context.local.chain(error.chain_id).next_block_height
        await bring_up_to_date(context, remote, Update(error.chain_id, height))
        return True
    return False


def lagging(
    remote: RemoteNode,
    received: NodeErrorReceived,
    *,
    chain_id: ChainId,
    height: BlockHeight | None = None,
    round_: Round | None = None,
) -> LocalNodeLagging:
    """The report that a validator is ahead of the local node."""
    reason = Reason(describe_node_error(received.error), str(remote.public_key), remote.address, 0)
    return LocalNodeLagging(
        received,
        Explanation(
            "A validator knows more of the chain than this client",
            chain_id=chain_id,
            height=height,
            round=round_,
            reasons=(reason,),
            next_step="synchronize the chain",
        ),
    )
