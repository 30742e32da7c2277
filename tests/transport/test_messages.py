"""Protobuf messages: canonical bytes, the field rules of spec 01 §7.2, total readers."""

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.errors import DecodeError
from catenula.base.identifiers import AccountOwner, ChainId
from catenula.protocol import (
    Block,
    BlockProposal,
    ChainInfoQuery,
    ConfirmedBlockCertificate,
    CryptoHash,
    HandleConfirmedCertificateRequest,
    RevertConfirm,
    StreamId,
    StreamName,
    VersionInfo,
)
from catenula.protocol.registry import codec_by_name
from catenula.transport.messages import (
    MalformedMessage,
    RawCertificate,
    convertible_messages,
    from_proto_bytes,
    read_request,
    to_proto_bytes,
)
from catenula.transport.messages.table import message_names, new_message
from tests.strategies import damaged, values_named

TYPES = {
    "BlobIds": "Vec<BlobId>",
    "Certificate": "ConfirmedBlockCertificate",
    "CertificatesBatchRequest": "Vec<CryptoHash>",
    "CertificatesBatchResponse": "Vec<Certificate>",
    "ChainInfoResult": "ChainInfoResponse",
    "DownloadCertificatesByHeightsRequest": "CertificatesByHeightRequest",
    "EventBlockHeightsRequest": "Vec<EventId>",
    "EventBlockHeightsResponse": "Vec<Option<BlockHeight>>",
    "HandlePendingBlobRequest": "(ChainId, BlobContent)",
    "LiteCertificate": "HandleLiteCertRequest",
    "NotificationBatch": "Vec<Notification>",
    "PendingBlobRequest": "(ChainId, BlobId)",
    "PendingBlobResult": "NodeError",
    "PreviousEventBlocksRequest": "(ChainId, Vec<StreamId>)",
    "PreviousEventBlocksResponse": "Map<StreamId, (BlockHeight, CryptoHash)>",
    "RawCertificate": "ConfirmedBlockCertificate",
    "RawCertificatesBatch": "Vec<ConfirmedBlockCertificate>",
    "SubscriptionRequest": "Vec<ChainId>",
    "ValidatorPublicKey": "Secp256k1PublicKey",
    "ValidatorSignature": "Secp256k1Signature",
}
MESSAGES = tuple(name for name in convertible_messages() if name != "Empty")
CHAIN = ChainId(bytes(31) + b"\x01")
OTHER_CHAIN = ChainId(bytes(31) + b"\x02")


def values_of_message(name: str) -> st.SearchStrategy[Any]:
    """Values that a message can carry."""
    values = values_named(TYPES.get(name, name))
    if name == "ChainInfoQuery":
        return values.map(
            lambda query: query.replace(
                request_committees=False, request_sent_certificate_hashes_in_range=None
            )
        )
    return values


@pytest.mark.parametrize("name", MESSAGES)
def test_values_round_trip(name: str) -> None:
    @settings(max_examples=15)
    @given(values_of_message(name))
    def check(value: Any) -> None:
        data = to_proto_bytes(name, value)
        assert from_proto_bytes(name, data) == value
        assert to_proto_bytes(f"rpc.v1.{name}", value) == data

    check()


@pytest.mark.parametrize("name", MESSAGES)
def test_readers_are_total(name: str) -> None:
    @settings(max_examples=15)
    @given(st.data())
    def check(data: Any) -> None:
        valid = to_proto_bytes(name, data.draw(values_of_message(name)))
        for received in (data.draw(st.binary(max_size=40)), data.draw(damaged(valid))):
            try:
                from_proto_bytes(name, received)
            except DecodeError:
                continue

    check()


def test_every_message_that_travels_can_be_converted() -> None:
    parts = {"CrateVersion", "PreviousEventBlock", "UpdateRecipient", "RevertConfirm"}
    parts.add("ConfirmUpdatedRecipient")
    assert set(message_names()) == set(convertible_messages()) | parts


@given(st.permutations(range(1, 13)))
def test_fields_are_written_by_ascending_number(order: list[int]) -> None:
    query = ChainInfoQuery(CHAIN, test_next_block_height=None, request_fallback=True)
    message = new_message("ChainInfoQuery")
    message.ParseFromString(to_proto_bytes("ChainInfoQuery", query))
    shuffled = new_message("ChainInfoQuery")
    for number in order:
        field = message.DESCRIPTOR.fields_by_number.get(number)
        if field is None or not _is_set(message, field):
            continue
        part = getattr(message, field.name)
        if field.message_type is not None:
            getattr(shuffled, field.name).CopyFrom(part)
        else:
            setattr(shuffled, field.name, part)
    assert shuffled.SerializeToString(deterministic=True) == message.SerializeToString()


def _is_set(message: Any, field: Any) -> bool:
    return any(descriptor.number == field.number for descriptor, _ in message.ListFields())


def test_set_optional_fields_are_written_even_when_default() -> None:
    query = ChainInfoQuery(CHAIN, request_owner_balance=AccountOwner.CHAIN)
    data = to_proto_bytes("ChainInfoQuery", query)
    assert data.endswith(b"\x5a\x08" + bytes(8) + b"\x60\x00")


def test_absent_choice_of_network_actions_means_true() -> None:
    query = ChainInfoQuery(CHAIN, create_network_actions=False)
    data = to_proto_bytes("ChainInfoQuery", query).removesuffix(b"\x60\x00")
    assert from_proto_bytes("ChainInfoQuery", data).create_network_actions is True


def test_query_for_committees_is_refused() -> None:
    data = to_proto_bytes("ChainInfoQuery", ChainInfoQuery(CHAIN, request_committees=True))
    with pytest.raises(DecodeError):
        from_proto_bytes("ChainInfoQuery", data)


@pytest.mark.parametrize("flag", [True, False])
@given(data=st.data())
@settings(max_examples=5)
def test_requests_tell_whether_aggregated_errors_are_understood(flag: bool, data: Any) -> None:
    for name in ("BlockProposal", "HandleConfirmedCertificateRequest"):
        value = data.draw(values_named(name))
        received = to_proto_bytes(name, value, supports_aggregated_missing=flag)
        assert read_request(name, received) == (value, flag)


@given(values_named("BlockProposal"))
@settings(max_examples=10)
def test_proposal_for_another_chain_is_refused(proposal: BlockProposal) -> None:
    message = new_message("BlockProposal")
    message.ParseFromString(to_proto_bytes("BlockProposal", proposal))
    message.chain_id.bytes = OTHER_CHAIN
    with pytest.raises(DecodeError):
        from_proto_bytes("BlockProposal", message.SerializeToString())


@given(values_named("ConfirmedBlockCertificate"))
@settings(max_examples=10)
def test_signatures_are_sorted_when_received(certificate: ConfirmedBlockCertificate) -> None:
    backwards = certificate.replace(signatures=tuple(reversed(certificate.signatures)))
    request = HandleConfirmedCertificateRequest(backwards, wait_for_outgoing_messages=False)
    data = to_proto_bytes("HandleConfirmedCertificateRequest", request)
    assert from_proto_bytes("HandleConfirmedCertificateRequest", data).certificate == certificate


@given(values_named("ConfirmedBlockCertificate"))
@settings(max_examples=10)
def test_stored_certificates_are_sent_as_they_are(certificate: ConfirmedBlockCertificate) -> None:
    raw = RawCertificate(certificate.lite().bcs, certificate.value.bcs)
    assert to_proto_bytes("RawCertificate", raw) == to_proto_bytes("RawCertificate", certificate)


@given(values_named("ConfirmedBlockCertificate"), values_named("Block"))
@settings(max_examples=5)
def test_raw_certificate_of_another_block_is_refused(
    certificate: ConfirmedBlockCertificate, block: Block
) -> None:
    assume(block != certificate.value)
    raw = RawCertificate(certificate.lite().bcs, block.bcs)
    with pytest.raises(DecodeError):
        from_proto_bytes("RawCertificate", to_proto_bytes("RawCertificate", raw))


def test_acknowledgement_is_the_empty_notification() -> None:
    assert to_proto_bytes("Notification", None) == b""
    assert from_proto_bytes("Notification", b"") is None
    assert from_proto_bytes("Empty", to_proto_bytes("Empty", None)) is None


def test_streams_of_event_blocks_come_in_value_order() -> None:
    streams = [StreamId.system(StreamName(name)) for name in (b"b", b"aa", b"a")]
    blocks = {stream: (1, CryptoHash(bytes(32))) for stream in streams}
    data = to_proto_bytes("PreviousEventBlocksResponse", blocks)
    found = from_proto_bytes("PreviousEventBlocksResponse", data)
    assert list(found) == sorted(streams)


def test_height_zero_is_present() -> None:
    request = RevertConfirm(CHAIN, OTHER_CHAIN, retransmit_from=codec_by_name("u64").from_json(0))
    assert from_proto_bytes("CrossChainRequest", to_proto_bytes("CrossChainRequest", request)) == (
        request
    )


def test_unknown_fields_are_ignored() -> None:
    assert from_proto_bytes("ChainId", to_proto_bytes("ChainId", CHAIN) + b"\x78\x01") == CHAIN


def test_uncompressed_validator_key_is_read() -> None:
    key = Secp256k1PublicKey.parse(
        "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
    )
    data = to_proto_bytes("ValidatorPublicKey", b"\x04" + key.point().coordinates)
    assert from_proto_bytes("ValidatorPublicKey", data) == key


def test_absent_version_is_zero_and_json_leaves_empty_texts_out() -> None:
    info = from_proto_bytes("VersionInfo", b"")
    assert VersionInfo.to_json(info) == {"crate_version": "0.0.0", "git_dirty": False}


@pytest.mark.parametrize("data", [b"\x0a", b"\x0a\x05abc", b"\xff\xff", b"\x07"])
def test_what_is_not_protobuf_is_told_apart(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        from_proto_bytes("ChainId", data)


def test_unknown_message_is_refused() -> None:
    with pytest.raises(DecodeError):
        from_proto_bytes("rpc.v1.Unknown", b"")
    with pytest.raises(DecodeError):
        to_proto_bytes("PreviousEventBlock", None)
    with pytest.raises(DecodeError):
        read_request("Unknown", b"")
