"""Values derived from blocks, votes, certificates and proposals, by field of an entry."""

from functools import partial
from typing import Any

from catenula.base.codec import codec_of
from catenula.base.crypto import Secp256k1PublicKey, ValidatorSecretKey
from catenula.base.hashing import typed_hash
from catenula.chain.bundles import message_bundles
from catenula.conformance.entries import Entry
from catenula.conformance.value_fields import Check, Fields, blob_id_texts, shown, texts, verifies
from catenula.protocol import (
    Block,
    BlockProposal,
    BlockVote,
    CertificateKind,
    Epoch,
    LiteCertificate,
    LiteValue,
    MessageBundle,
    TimeoutVote,
    vote_hash,
)

_BUNDLES = codec_of(tuple[tuple[Epoch, MessageBundle], ...])
_LITE_VALUE = codec_of(LiteValue)
_LITE_CERTIFICATE = codec_of(LiteCertificate)


def _header_hashes(block: Block) -> dict[str, str]:
    return {name: str(value) for name, value in block.header_hashes().items()}


def _full_header(block: Block) -> dict[str, Any]:
    return {**block.header.to_json(), **_header_hashes(block)}


def _bundles(block: Block) -> list[dict[str, Any]]:
    return [
        {"recipient": str(recipient), "bundles": _BUNDLES.to_json(bundles)}
        for recipient, bundles in message_bundles(block).items()
    ]


def _lite_value(block: Block, kind: CertificateKind) -> Any:
    return _LITE_VALUE.to_json(LiteValue(block.hash, block.chain_id, kind))


_OF_BLOCK: dict[str, Any] = {
    "header_hashes": _header_hashes,
    "full_header_json": _full_header,
    "published_blob_ids": lambda block: blob_id_texts(block.published_blob_ids),
    "oracle_blob_ids": lambda block: blob_id_texts(block.oracle_blob_ids),
    "created_blob_ids": lambda block: blob_id_texts(block.created_blobs),
    "required_blob_ids": lambda block: blob_id_texts(block.required_blob_ids),
    "recipients": lambda block: texts(block.recipients),
    "event_ids": lambda block: [event_id.to_json() for event_id in block.event_ids()],
    "has_oracle_responses": Block.has_oracle_responses,
    "bundles_by_recipient": _bundles,
    "lite_value_validated": lambda block: _lite_value(block, CertificateKind.VALIDATED),
    "lite_value_confirmed": lambda block: _lite_value(block, CertificateKind.CONFIRMED),
}

_OF_CERTIFICATE: Fields = {
    "lite_json": shown("lite_json", lambda value: _LITE_CERTIFICATE.to_json(value.lite())),
    "lite_bcs": shown("lite_bcs", lambda value: value.lite().bcs.hex()),
    "lite_bincode": shown(
        "lite_bincode", lambda value: _LITE_CERTIFICATE.to_bincode(value.lite()).hex()
    ),
}


def _of_certified_block(field: str, compute: Any) -> Check:
    return shown(field, lambda certificate: compute(certificate.value))


_OF_BLOCK_CERTIFICATE: Fields = {
    **_OF_CERTIFICATE,
    **{field: _of_certified_block(field, compute) for field, compute in _OF_BLOCK.items()},
}


def _check_vote(entry: Entry, vote: Any) -> None:
    """The key named in the entry signed the vote."""
    validator = Secp256k1PublicKey.parse(entry["public_key"])
    if isinstance(vote, BlockVote | TimeoutVote):
        digest = vote_hash(vote.value.hash, vote.round, _VOTE_KINDS[entry["type"]])
    else:
        digest = vote_hash(vote.value.value_hash, vote.round, vote.value.kind)
    if not verifies(partial(vote.signature.verify, validator, digest)):
        entry.complain("signature: not one of public_key over the vote")


_VOTE_KINDS = {
    "Vote<Timeout>": CertificateKind.TIMEOUT,
    "Vote<ValidatedBlock>": CertificateKind.VALIDATED,
    "Vote<ConfirmedBlock>": CertificateKind.CONFIRMED,
}


def _check_vote_value(entry: Entry, value: Any) -> None:
    """Key pair, digest and signature of a vote value."""
    secret = ValidatorSecretKey.from_json(entry["secret_json"])
    digest = vote_hash(*value)
    entry.compare("vote hash", entry["hash"], str(digest))
    entry.expect("public_key", str(secret.public_key()))
    entry.expect("signature", str(secret.sign(digest)))


def _check_content_hash(entry: Entry, proposal: BlockProposal) -> None:
    entry.expect("content_hash", str(proposal.content.hash))
    named = typed_hash(entry["content_hash_name"], entry.raw("content_bcs"))
    entry.compare("content_hash by name", entry["content_hash"], str(named))


def _content_bincode(proposal: BlockProposal) -> str:
    return codec_of(type(proposal.content)).to_bincode(proposal.content).hex()


def _used_elsewhere(entry: Entry, value: Any) -> None:
    """The field is used by the check of another one."""


def _information(field: str) -> Check:
    """A check of a text for people: its presence is judged by another field."""
    return lambda entry, value: entry.ignore(field)


_VOTE: Fields = {"public_key": _check_vote}

BLOCK_FIELDS: dict[str, Fields] = {
    "Block": {field: shown(field, compute) for field, compute in _OF_BLOCK.items()},
    "Timeout": {
        "lite_value": shown(
            "lite_value",
            lambda value: _LITE_VALUE.to_json(
                LiteValue(value.hash, value.chain_id, CertificateKind.TIMEOUT)
            ),
        ),
    },
    "ValidatedBlockCertificate": _OF_BLOCK_CERTIFICATE,
    "ConfirmedBlockCertificate": _OF_BLOCK_CERTIFICATE,
    "TimeoutCertificate": _OF_CERTIFICATE,
    "LiteVote": _VOTE,
    "Vote<ValidatedBlock>": _VOTE,
    "Vote<ConfirmedBlock>": _VOTE,
    "Vote<Timeout>": _VOTE,
    "VoteValue": {
        "secret_json": _check_vote_value,
        "public_key": _used_elsewhere,
        "signature": _used_elsewhere,
    },
    "BlockProposal": {
        "content_bcs": shown("content_bcs", lambda value: value.content.bcs.hex()),
        "content_bincode": shown("content_bincode", _content_bincode),
        "content_hash_name": _used_elsewhere,
        "content_hash": _check_content_hash,
        "owner": shown("owner", lambda value: str(value.owner)),
        "signature_ok": shown("signature_ok", lambda value: verifies(value.verify_signature)),
        "signature_error": _information("signature_error"),
        "invariants_ok": shown("invariants_ok", lambda value: verifies(value.check_invariants)),
        "invariants_error": _information("invariants_error"),
        "required_blob_ids": shown(
            "required_blob_ids", lambda value: blob_id_texts(value.required_blob_ids)
        ),
        "expected_blob_ids": shown(
            "expected_blob_ids", lambda value: blob_id_texts(value.expected_blob_ids)
        ),
    },
}
"""Checks by type and field."""
