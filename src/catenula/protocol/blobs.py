"""Blobs: opaque content with a type, addressed by hash (spec 01 §4.2, §8)."""

from typing import Annotated

from catenula.base.codec import Record
from catenula.base.codec.binary import encode_uleb
from catenula.base.codec.codec import node_of, register_scalar
from catenula.base.codec.schema import RecordNode, json_mismatch
from catenula.base.errors import DecodeError
from catenula.base.hashing import typed_hash
from catenula.base.identifiers import (
    EVM_ADDRESS_BYTES,
    EVM_ID_ZERO_BYTES,
    CryptoHash,
    decode_hex,
)
from catenula.base.memo import cached_property
from catenula.protocol.identifiers import BlobId, BlobType, VmRuntime


class BlobContent(Record, frozen=True, dict=True):
    """A blob's type and bytes; the bytes are hashed as they are."""

    blob_type: BlobType
    bytes: bytes

    @cached_property
    def hash(self) -> CryptoHash:
        """Keccak of ``BlobContent``: type byte, length, bytes."""
        head = bytes((self.blob_type,)) + encode_uleb(len(self.bytes))
        return typed_hash("BlobContent", head + self.bytes)

    @cached_property
    def id(self) -> BlobId:
        """The blob's id; zeroed at the end for descriptions of EVM applications.

        Raises `DecodeError` when an application description does not decode.
        """
        if self.blob_type is BlobType.APPLICATION_DESCRIPTION and self._is_evm_description():
            zeroed = self.hash[:EVM_ADDRESS_BYTES] + EVM_ID_ZERO_BYTES
            return BlobId(CryptoHash(zeroed), self.blob_type)
        return BlobId(self.hash, self.blob_type)

    def verify_id(self) -> None:
        """Raise `DecodeError` when the blob has no id (an undecodable application description)."""
        _ = self.id

    def _is_evm_description(self) -> bool:
        from catenula.protocol.chains import ApplicationDescription  # It is made of blobs.

        description = ApplicationDescription.from_bcs(self.bytes)
        return description.module_id.vm_runtime is VmRuntime.EVM


Blob = Annotated[BlobContent, "blob"]
"""A blob content whose JSON form is the hex of its BCS (blocks and wallets, spec 01 §1.4).

Decoding one checks that its id can be computed: an application description must decode.
"""


class _BlobNode(RecordNode):
    """The binary form of `BlobContent` with the JSON form of a blob."""

    def to_json(self, value: BlobContent) -> str:
        return value.to_bcs().hex()

    def from_json(self, data: object) -> BlobContent:
        if type(data) is not str:
            raise json_mismatch("a blob as a string", data)
        content = BlobContent.from_bcs(decode_hex(data, "Blob"))
        content.verify_id()
        return content


def _register_blob() -> None:
    node = _BlobNode(BlobContent, "Blob")
    node.fields = (("blob_type", node_of(BlobType)), ("bytes", node_of(bytes)))
    node.decoded_check = "verify_id"
    register_scalar(Blob, node)


class Bytecode(Record, frozen=True):
    """Uncompressed bytecode of a module."""

    bytes: bytes


class CompressedBytecode(Record, frozen=True):
    """zstd-compressed bytecode of a module."""

    compressed_bytes: bytes


def data_blob(content: bytes) -> BlobContent:
    """A data blob of these bytes."""
    return BlobContent(BlobType.DATA, content)


def check_blob_id(blob: BlobContent, expected: BlobId) -> None:
    """Raise `DecodeError` unless the content hashes to the id that was asked for."""
    if blob.id != expected:
        raise DecodeError("UnexpectedBlob", expected=expected, found=blob.id)


_register_blob()
