"""Entries about signature lists: their order, their check against a committee, aggregation."""

from collections.abc import Callable
from typing import Any, NamedTuple

from catenula.base.codec import codec_of
from catenula.base.crypto import Secp256k1PublicKey, Secp256k1Signature, SignatureInvalid
from catenula.base.errors import DecodeError, ProtocolError
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.conformance.entries import Entry
from catenula.conformance.value_fields import texts
from catenula.protocol import (
    Block,
    CertificateKind,
    Committee,
    ConfirmedBlockCertificate,
    LiteCertificate,
    LiteValue,
    Round,
    SignatureAggregator,
    Signatures,
    Timeout,
    TimeoutCertificate,
    ValidatedBlockCertificate,
    confirmed_from_lite,
    timeout_from_lite,
    validated_from_lite,
)

_SIGNATURES = codec_of(Signatures)


class _FullForm(NamedTuple):
    """The certificate of one kind: its class, that of its value, and how it is joined."""

    certificate: Any
    value: Any
    join: Callable[[LiteCertificate, Any], Any]


_FULL_FORMS: dict[CertificateKind, _FullForm] = {
    CertificateKind.TIMEOUT: _FullForm(TimeoutCertificate, Timeout, timeout_from_lite),
    CertificateKind.VALIDATED: _FullForm(ValidatedBlockCertificate, Block, validated_from_lite),
    CertificateKind.CONFIRMED: _FullForm(ConfirmedBlockCertificate, Block, confirmed_from_lite),
}


def run_signature_order_entry(entry: Entry) -> None:
    """A list of signers in some order, in a full and in a lite certificate."""
    entry.ignore("full_error", "lite_error")
    try:
        lite = LiteCertificate.from_bcs(entry.raw("lite_bcs"))
    except DecodeError:
        entry.expect("lite_decodes", False)
        return
    entry.expect("lite_decodes", True)
    form = _FULL_FORMS[lite.value.kind]
    full = entry.raw("full_bcs")
    entry.expect("full_decodes", _decodes(form.certificate, full))
    joined = form.join(lite, _certified_value(form, full, lite))
    entry.expect("joined_signatures", _SIGNATURES.to_json(joined.signatures))
    entry.expect("full_bcs", _full_bcs(joined, lite))


def _decodes(cls: Any, data: bytes) -> bool:
    try:
        cls.from_bcs(data)
    except DecodeError:
        return False
    return True


def _certified_value(form: _FullForm, full: bytes, lite: LiteCertificate) -> Any:
    """The value of a full certificate that ends as its lite form does."""
    return form.value.from_bcs(full[: len(full) - len(_ending(lite))])


def _ending(lite: LiteCertificate) -> bytes:
    """Round and signatures, in the order of the list."""
    return lite.bcs[len(lite.value.to_bcs()) :]


def _full_bcs(joined: Any, lite: LiteCertificate) -> str:
    """The full certificate with the signatures in the order of the lite one."""
    full: bytes = joined.value.bcs + _ending(lite)
    return full.hex()


def run_certificate_checks_entry(entry: Entry) -> None:
    """Subsets of signers against a committee, then aggregation vote by vote."""
    committee = codec_of(Committee).from_json(entry["committee"])
    entry.expect("committee_bcs", committee.bcs.hex())
    entry.expect("quorum_threshold", committee.quorum_threshold)
    value = LiteValue(
        CryptoHash.parse(entry["value_hash"]),
        ChainId.parse(entry["chain_id"]),
        CertificateKind.parse(entry["value_kind"]),
    )
    round_ = None
    for case in entry.parts("cases"):
        with case.step("case"):
            round_ = _check_case(case, value, committee)
    if "aggregation" in entry:
        _check_aggregation(entry, SignatureAggregator(value, round_ or Round.FAST, committee))


def _check_case(case: Entry, value: LiteValue, committee: Committee) -> Round:
    case.ignore("case", "message")
    lite = LiteCertificate.from_bcs(case.raw("lite_bcs"))
    case.expect("round", codec_of(Round).to_json(lite.round))
    case.expect("signers", texts(key for key, _ in lite.signatures))
    if lite.value.value_hash != value.value_hash or lite.value.chain_id != value.chain_id:
        case.complain("lite_bcs: not about the entry's value")
    try:
        lite.check(committee)
    except ProtocolError as error:
        case.expect("ok", False)
        if not case["ok"]:
            case.expect("error", _error_name(error))
    else:
        case.expect("ok", True)
    return lite.round


def _error_name(error: ProtocolError) -> str:
    """The protocol's name of an error of a check."""
    return "CryptoError" if isinstance(error, SignatureInvalid) else error.code


def _check_aggregation(entry: Entry, aggregator: SignatureAggregator) -> None:
    for step in entry.parts("aggregation"):
        key = Secp256k1PublicKey.parse(step["public_key"])
        signature = Secp256k1Signature.from_json_hex(step["signature"])
        try:
            is_complete = aggregator.append(key, signature)
        except ProtocolError as error:
            step.expect("result", "error")
            if "error" in step:
                step.expect("error", _error_name(error))
            continue
        step.expect("result", "certificate" if is_complete else "pending")
        if "signers" in step:
            step.expect("signers", texts(validator for validator, _ in aggregator.signatures()))
