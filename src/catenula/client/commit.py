"""A block is final: execute it, hand it to the validators, adopt new chains (spec 07 §9.2, §10).

Once the local node has the certificate the command has succeeded; nothing that fails afterwards may
make its operations run again (K4). Handing the certificate to the validators is best effort.
"""

from catenula.base.identifiers import AccountOwner, ChainId
from catenula.client.background import Delivery, Update
from catenula.client.context import ClientContext
from catenula.client.processing import process_certificate
from catenula.client.session import ChainSession
from catenula.client.wallet import WalletChain
from catenula.protocol import (
    BlockHeight,
    ChainDescription,
    Committee,
    ConfirmedBlockCertificate,
    NodeErrorReceived,
)
from catenula.worker import ProcessMode


async def commit(
    context: ClientContext, session: ChainSession, certificate: ConfirmedBlockCertificate
) -> None:
    """Make a certificate that this client assembled take effect.

    Returns when the local node has it durably and a quorum of validators has acknowledged it, or
    has turned out to be out of reach.
    """
    committee = context.local.chain(session.chain_id).current_committee()
    delivery = broadcast(context, certificate, committee)
    await _execute(context, certificate)
    session.clear_pending()
    context.wallet.forget_pending(session.chain_id)
    if any(certificate.block.body.blobs):
        await adopt_children(context, certificate)
    following = context.local.chain(session.chain_id).current_committee()
    if following is not committee and following != committee:
        broadcast(context, certificate, following)
    await delivery.settled()


async def _execute(context: ClientContext, certificate: ConfirmedBlockCertificate) -> None:
    try:
        await context.local.confirm(certificate)
    except NodeErrorReceived:
        # Another owner's block may need blobs and events that only the validators have.
        await process_certificate(
            context, certificate, mode=ProcessMode.EXECUTE, sources=context.nodes()
        )


def broadcast(
    context: ClientContext, certificate: ConfirmedBlockCertificate, committee: Committee
) -> Delivery:
    """Hand a certificate to all validators in the background, with what they lack of its chain."""
    block = certificate.block
    delivery = Delivery(committee.quorum_threshold, committee.total_votes)
    for remote in context.validators.of(committee):
        context.updates.submit(
            remote,
            Update(
                block.chain_id,
                BlockHeight(block.height + 1),
                certificate,
                blocking=context.options.wait_for_outgoing_messages,
                delivery=delivery,
                weight=committee.weight(remote.public_key),
            ),
        )
    return delivery


async def adopt_children(context: ClientContext, certificate: ConfirmedBlockCertificate) -> None:
    """Take chains into the wallet that this block created for keys of this client."""
    rows: dict[ChainId, WalletChain] = {}
    for description in certificate.block.created_chains():
        chain_id, config = description.chain_id, description.config
        owner = await _own_key_among(context, description)
        if owner is not None and context.wallet.chain(chain_id) is None:
            rows[chain_id] = WalletChain(
                owner=owner, timestamp=description.timestamp, epoch=config.epoch
            )
    if rows:
        for chain_id in rows:
            context.local.worker.track_chain(chain_id)
        await context.wallet.put_chains(rows)
        # Messages of this very block to the new chains may have been passed over.
        await context.local.confirm(certificate, ProcessMode.AUTO)


async def _own_key_among(
    context: ClientContext, description: ChainDescription
) -> AccountOwner | None:
    for owner in description.config.ownership.all_owners():
        if await context.signer.contains_key(owner):
            return owner
    return None
