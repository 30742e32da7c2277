"""Handling a confirmed certificate: store, then execute or preprocess (spec 05 §9.1-§9.2).

The order is load-bearing (spec 06 §7.2): blobs and certificate, events, blob states, and last the
chain's own state. A crash in between only repeats work.
"""

from catenula.base.integers import Epoch
from catenula.chain import proposal_validity as validity
from catenula.chain.block_execution import apply_confirmed_block, preprocess_block
from catenula.chain.errors import InvalidBlockChaining
from catenula.execution.errors import EventsNotFound
from catenula.protocol import (
    Block,
    CertificateKind,
    ChainInfoResponse,
    Committee,
    ConfirmedBlockCertificate,
    NewBlock,
    NewEvents,
    StreamId,
    epoch_event_id,
)
from catenula.storage.shared import BlobState
from catenula.worker.config import ProcessMode
from catenula.worker.errors import NoNetworkDescription
from catenula.worker.step import BlobsById, Step, found_only


def handle_confirmed_certificate(
    step: Step, certificate: ConfirmedBlockCertificate, mode: ProcessMode
) -> ChainInfoResponse:
    """Make a final block part of this node's chain; a known one is not even verified."""
    chain, block = step.chain, certificate.block
    if block.height < chain.next_block_height:
        step.send_pending()
        return step.reply()
    committee = committee_of_epoch(step, block.epoch)
    step.node.verified.check(
        certificate.lite_value, certificate.round, certificate.signatures, committee=committee
    )
    blobs = _store(step, certificate)
    validity.check_blobs_found(blobs)
    if mode is ProcessMode.PREPROCESS or _has_gap(step, block, mode):
        _preprocess(step, block)
    else:
        _execute(step, block, blobs)
        step.node.counters.block_added(block)
        step.node.counters.outboxes_changed(*step.chain.outboxes.sizes())
    step.node.counters.certificate_taken(
        CertificateKind.CONFIRMED, certificate.round, certificate.signatures
    )
    step.node.blocks.put(block)
    step.save()
    # Older messages are under way already, or are sent again when the chain is loaded again.
    step.send_pending(block.recipients)
    return step.reply()


def committee_of_epoch(step: Step, epoch: Epoch) -> Committee:
    """The committee that certifies blocks of ``epoch``; `EventsNotFound` when it is not known."""
    environment = step.chain.environment
    committee = environment.committee(epoch)
    if committee is not None:
        return committee
    network = environment.network_description()
    if network is None:
        raise NoNetworkDescription
    raise EventsNotFound((epoch_event_id(network.admin_chain_id, epoch),))


def _store(step: Step, certificate: ConfirmedBlockCertificate) -> BlobsById:
    """Steps 3 and 4: store the block with its blobs and events, and what the blobs are for."""
    block, overlay = certificate.block, step.overlay
    required = block.required_blob_ids
    blobs = step.find_blobs(required, block)
    is_complete = all(blob is not None for blob in blobs.values())
    if is_complete:
        for blob in found_only(blobs).values():
            overlay.stage_blob(blob)
        overlay.stage_certificate(certificate)
        overlay.stage_events_of(block)
    state = BlobState(
        last_used_by=block.hash if is_complete else None,
        chain_id=block.chain_id,
        block_height=block.height,
        epoch=block.epoch if is_complete else None,
    )
    for blob_id in blobs:
        overlay.stage_blob_state(blob_id, state)
    return blobs


def _has_gap(step: Step, block: Block, mode: ProcessMode) -> bool:
    """Whether earlier blocks are missing; `InvalidBlockChaining` if the block cannot follow."""
    tip = step.chain.tip
    if block.height == tip.next_block_height:
        if block.header.previous_block_hash != tip.block_hash:
            raise InvalidBlockChaining(
                expected=tip.block_hash, found=block.header.previous_block_hash
            )
        return False
    if mode is ProcessMode.EXECUTE:
        raise InvalidBlockChaining(expected_height=tip.next_block_height, found_height=block.height)
    return True


def _preprocess(step: Step, block: Block) -> None:
    updated = preprocess_block(step.chain, block)
    if updated:
        step.notify(NewEvents(block.height, block.hash, updated))


def _execute(step: Step, block: Block, blobs: BlobsById) -> None:
    step.activate()
    found = found_only(blobs)
    updated = apply_confirmed_block(
        step.chain,
        block,
        published_blobs={blob_id: found[blob_id] for blob_id in block.published_blob_ids},
        oracles=step.oracles,
        now=step.now,
    )
    _announce(step, block, updated)


def _announce(step: Step, block: Block, updated: tuple[StreamId, ...]) -> None:
    streams = tuple(sorted(updated))
    step.notify(NewBlock(block.height, block.hash, streams))
    if streams:
        step.notify(NewEvents(block.height, block.hash, streams))
