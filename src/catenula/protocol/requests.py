"""Requests to validators that are more than one value (spec 06 §2, 01 appendix B)."""

from catenula.base.codec import Record
from catenula.base.identifiers import ChainId
from catenula.base.integers import BlockHeight
from catenula.protocol.certificates import (
    ConfirmedBlockCertificate,
    LiteCertificate,
    TimeoutCertificate,
    ValidatedBlockCertificate,
)


class HandleLiteCertRequest(Record, frozen=True):
    """Process a certificate whose block the validator should know."""

    certificate: LiteCertificate
    wait_for_outgoing_messages: bool


class HandleConfirmedCertificateRequest(Record, frozen=True):
    """Process a confirmed certificate."""

    certificate: ConfirmedBlockCertificate
    wait_for_outgoing_messages: bool


class HandleValidatedCertificateRequest(Record, frozen=True):
    """Process a validated certificate."""

    certificate: ValidatedBlockCertificate


class HandleTimeoutCertificateRequest(Record, frozen=True):
    """Process a timeout certificate."""

    certificate: TimeoutCertificate


class CertificatesByHeightRequest(Record, frozen=True):
    """Ask for certificates of a chain by heights."""

    chain_id: ChainId
    heights: tuple[BlockHeight, ...]
