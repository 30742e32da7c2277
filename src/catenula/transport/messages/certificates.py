"""Certificates in protobuf messages (spec 01 §6.5, §7.2).

Signature lists may arrive in any order and are sorted; they leave in the order of the value.
"""

from typing import Any, NamedTuple

from catenula.base.codec import codec_of
from catenula.base.errors import DecodeError, ProtocolError
from catenula.base.identifiers import CryptoHash
from catenula.protocol import (
    Block,
    Certificate,
    CertificateKind,
    ConfirmedBlockCertificate,
    ConfirmedCertificate,
    HandleConfirmedCertificateRequest,
    HandleLiteCertRequest,
    HandleTimeoutCertificateRequest,
    HandleValidatedCertificateRequest,
    LiteCertificate,
    LiteValue,
    Round,
    Signatures,
    TimedOutCertificate,
    Timeout,
    TimeoutCertificate,
    ValidatedBlockCertificate,
    ValidatedCertificate,
    confirmed_from_lite,
    sort_signatures,
)
from catenula.transport.messages.fields import (
    CHAIN_ID,
    CRYPTO_HASH,
    check_chain_id,
    put,
    required,
    take,
)
from catenula.transport.messages.options import WriteOptions

AnyCertificate = ValidatedBlockCertificate | ConfirmedBlockCertificate | TimeoutCertificate

_BLOCK = codec_of(Block)
_TIMEOUT = codec_of(Timeout)
_ROUND = codec_of(Round)
_SIGNATURES = codec_of(Signatures)
_LITE_CERTIFICATE = codec_of(LiteCertificate)

_KINDS: dict[type[Any], CertificateKind] = {
    TimeoutCertificate: CertificateKind.TIMEOUT,
    ValidatedBlockCertificate: CertificateKind.VALIDATED,
    ConfirmedBlockCertificate: CertificateKind.CONFIRMED,
}
_WRAPPERS: dict[type[Any], Any] = {
    TimeoutCertificate: TimedOutCertificate,
    ValidatedBlockCertificate: ValidatedCertificate,
    ConfirmedBlockCertificate: ConfirmedCertificate,
}


class RawCertificate(NamedTuple):
    """A confirmed certificate as stored: BCS of its lite form and BCS of its block."""

    lite_certificate: bytes
    confirmed_block: bytes


def certificate_kind(number: int) -> CertificateKind:
    """The kind of a protobuf enum value, else `DecodeError`."""
    if number not in (0, 1, 2):
        raise DecodeError("UnknownCertificateKind", kind=number)
    return CertificateKind(number)


def write_certificate(message: Any, certificate: AnyCertificate | Certificate) -> None:
    """Write one of the three certificates, bare or as a variant of `Certificate`."""
    if isinstance(certificate, ValidatedCertificate | ConfirmedCertificate | TimedOutCertificate):
        certificate = certificate.certificate
    kind = _KINDS[type(certificate)]
    codec = _TIMEOUT if kind is CertificateKind.TIMEOUT else _BLOCK
    message.value = codec.to_bincode(certificate.value)
    message.round = _ROUND.to_bincode(certificate.round)
    message.signatures = _SIGNATURES.to_bincode(certificate.signatures)
    message.kind = kind
    message.SetInParent()


def read_certificate(message: Any) -> AnyCertificate:
    """The certificate of the kind that the message names."""
    kind = certificate_kind(message.kind)
    round_ = _ROUND.from_bincode(message.round)
    signatures = _read_signatures(message)
    if kind is CertificateKind.TIMEOUT:
        return TimeoutCertificate(_TIMEOUT.from_bincode(message.value), round_, signatures)
    block = _BLOCK.from_bincode(message.value)
    if kind is CertificateKind.VALIDATED:
        return ValidatedBlockCertificate(block, round_, signatures)
    return ConfirmedBlockCertificate(block, round_, signatures)


def _read_signatures(message: Any) -> Signatures:
    return sort_signatures(_SIGNATURES.from_bincode(message.signatures))


def write_certificates(message: Any, certificates: tuple[Certificate, ...]) -> None:
    """Write a batch of certificates."""
    for certificate in certificates:
        write_certificate(message.certificates.add(), certificate)


def read_certificates(message: Any) -> tuple[Certificate, ...]:
    """Read a batch of certificates of any kinds."""
    certificates = [read_certificate(item) for item in message.certificates]
    return tuple(_WRAPPERS[type(item)](item) for item in certificates)


def write_certificate_request(message: Any, request: Any, options: WriteOptions) -> None:
    """Write a request to process a validated or a timeout certificate."""
    put(message.chain_id, CHAIN_ID, request.certificate.chain_id)
    write_certificate(message.certificate, request.certificate)


def write_confirmed_request(message: Any, request: Any, options: WriteOptions) -> None:
    """Write a request to process a confirmed certificate."""
    write_certificate_request(message, request, options)
    message.wait_for_outgoing_messages = request.wait_for_outgoing_messages
    message.supports_aggregated_missing = options.supports_aggregated_missing


def read_confirmed_request(message: Any) -> HandleConfirmedCertificateRequest:
    """Read a request to process a confirmed certificate."""
    certificate = _requested(message, ConfirmedBlockCertificate)
    return HandleConfirmedCertificateRequest(certificate, message.wait_for_outgoing_messages)


def read_validated_request(message: Any) -> HandleValidatedCertificateRequest:
    """Read a request to process a validated certificate."""
    return HandleValidatedCertificateRequest(_requested(message, ValidatedBlockCertificate))


def read_timeout_request(message: Any) -> HandleTimeoutCertificateRequest:
    """Read a request to process a timeout certificate."""
    return HandleTimeoutCertificateRequest(_requested(message, TimeoutCertificate))


def _requested(message: Any, wanted: type[Any]) -> Any:
    chain_id = take(message, "chain_id", CHAIN_ID)
    certificate = read_certificate(required(message, "certificate"))
    expect_certificate(certificate, wanted)
    check_chain_id(chain_id, certificate.chain_id)
    return certificate


def expect_certificate(certificate: AnyCertificate, wanted: type[Any]) -> None:
    """`DecodeError` unless the certificate is of the wanted kind."""
    if type(certificate) is not wanted:
        raise DecodeError(
            "UnexpectedCertificateKind",
            found=type(certificate).__name__,
            expected=wanted.__name__,
        )


def write_lite_request(message: Any, request: Any, options: WriteOptions) -> None:
    """Write a request to process a certificate by hash."""
    certificate = request.certificate
    put(message.chain_id, CHAIN_ID, certificate.value.chain_id)
    message.hash = CRYPTO_HASH.write(certificate.value.value_hash)
    message.round = _ROUND.to_bincode(certificate.round)
    message.signatures = _SIGNATURES.to_bincode(certificate.signatures)
    message.wait_for_outgoing_messages = request.wait_for_outgoing_messages
    message.kind = certificate.value.kind


def read_lite_request(message: Any) -> HandleLiteCertRequest:
    """Read a request to process a certificate by hash."""
    value = LiteValue(
        CryptoHash.decode(message.hash),
        take(message, "chain_id", CHAIN_ID),
        certificate_kind(message.kind),
    )
    certificate = LiteCertificate(
        value, _ROUND.from_bincode(message.round), _read_signatures(message)
    )
    return HandleLiteCertRequest(certificate, message.wait_for_outgoing_messages)


def write_raw_certificate(
    message: Any, certificate: ConfirmedBlockCertificate | RawCertificate
) -> None:
    """Write a confirmed certificate in its stored form, which may be given as it is."""
    if not isinstance(certificate, RawCertificate):
        certificate = RawCertificate(certificate.lite().bcs, certificate.value.bcs)
    message.lite_certificate = certificate.lite_certificate
    message.confirmed_block = certificate.confirmed_block


def read_raw_certificate(message: Any) -> ConfirmedBlockCertificate:
    """Join the stored form to a certificate; `DecodeError` when the parts differ."""
    lite = _LITE_CERTIFICATE.from_bcs(message.lite_certificate)
    block = _BLOCK.from_bcs(message.confirmed_block)
    try:
        return confirmed_from_lite(lite, block)
    except ProtocolError as error:
        raise DecodeError("InconsistentRawCertificate", block_hash=block.hash) from error


def write_raw_certificates(
    message: Any, certificates: tuple[ConfirmedBlockCertificate | RawCertificate, ...]
) -> None:
    """Write a batch of certificates in their stored form."""
    for certificate in certificates:
        write_raw_certificate(message.certificates.add(), certificate)


def read_raw_certificates(message: Any) -> tuple[ConfirmedBlockCertificate, ...]:
    """Read a batch of certificates in their stored form."""
    return tuple(read_raw_certificate(item) for item in message.certificates)
