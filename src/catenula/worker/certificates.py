"""Handling validated, timeout and lite certificates (spec 05 §9.3-§9.4, 06 §4.4)."""

from catenula.base.errors import DecodeError, ProtocolError
from catenula.chain import proposal_validity as validity
from catenula.chain.errors import MissingEarlierBlocks
from catenula.chain.manager import Check
from catenula.protocol import (
    CertificateKind,
    ChainInfoResponse,
    ConfirmedBlockCertificate,
    LiteCertificate,
    TimeoutCertificate,
    ValidatedBlockCertificate,
    confirmed_from_lite,
    validated_from_lite,
)
from catenula.worker.block_cache import BlockCache
from catenula.worker.errors import InvalidLiteCertificate, MissingCertificateValue
from catenula.worker.step import Step, found_only

BlockCertificate = ValidatedBlockCertificate | ConfirmedBlockCertificate


def handle_validated_certificate(
    step: Step, certificate: ValidatedBlockCertificate
) -> ChainInfoResponse:
    """Lock a validated block and vote to confirm it, unless its round has passed."""
    chain, block = step.chain, certificate.block
    step.activate()
    before = chain.manager.current_round
    chain.tip.check_height(block.height)
    committee = chain.current_committee()
    validity.check_epoch(chain.chain_id, chain.epoch, block.epoch)
    step.node.verified.check(
        certificate.lite_value, certificate.round, certificate.signatures, committee=committee
    )
    if chain.manager.check_validated_block(certificate) is Check.SKIP:
        return step.reply()
    step.node.blocks.put(block)
    blobs = step.find_blobs(block.required_blob_ids, block)
    if any(blob is None for blob in blobs.values()):
        chain.pending_blobs.expect_validated(certificate.round, blobs)
        step.save()
        validity.check_blobs_found(blobs)
    vote = chain.manager.create_final_vote(
        certificate, blobs=found_only(blobs), now=step.now, key=step.node.secret
    )
    if vote is not None and step.node.secret is not None:
        step.node.verified.add_vote(vote, step.node.secret.public_key())
        step.node.counters.voted(vote.value.kind)
    step.node.counters.certificate_taken(
        CertificateKind.VALIDATED, certificate.round, certificate.signatures
    )
    step.save()
    step.notify_round(before)
    return step.reply()


def handle_timeout_certificate(step: Step, certificate: TimeoutCertificate) -> ChainInfoResponse:
    """Leave a round that a quorum saw time out."""
    chain, timeout = step.chain, certificate.value
    step.activate()
    before = chain.manager.current_round
    committee = chain.current_committee()
    step.node.verified.check(
        certificate.lite_value, certificate.round, certificate.signatures, committee=committee
    )
    if timeout.height < chain.next_block_height:
        return step.reply()
    if timeout.height > chain.next_block_height:
        raise MissingEarlierBlocks(current_block_height=chain.next_block_height)
    validity.check_epoch(chain.chain_id, chain.epoch, timeout.epoch)
    if chain.manager.handle_timeout_certificate(certificate, step.now):
        step.node.counters.certificate_taken(
            CertificateKind.TIMEOUT, certificate.round, certificate.signatures
        )
        step.save()
    step.notify_round(before)
    return step.reply()


def full_certificate(lite: LiteCertificate, blocks: BlockCache) -> BlockCertificate:
    """The block certificate a lite one stands for (spec 06 §4.4).

    Raises `MissingCertificateValue` for an unknown block, `InvalidLiteCertificate` otherwise.
    """
    block = blocks.get(lite.value.value_hash)
    if block is None:
        raise MissingCertificateValue
    try:
        if lite.value.kind is CertificateKind.CONFIRMED:
            return confirmed_from_lite(lite, block)
        if lite.value.kind is CertificateKind.VALIDATED:
            return validated_from_lite(lite, block)
    except DecodeError:
        raise
    except ProtocolError as error:
        raise InvalidLiteCertificate("it does not match the block of its hash") from error
    raise InvalidLiteCertificate("a timeout has no block")
