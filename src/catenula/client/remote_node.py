"""One validator as a client sees it: every answer is checked before it is used (spec 07 §3.4).

What is read from an answer is either signed by the validator and checked here, or carries its own
proof (votes, certificates, blobs by hash), or is a mere claim that only leads to further questions.
A reply of which nothing is used is not checked.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Protocol, cast

from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.errors import DecodeError, LocalError, ProtocolError
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import BlockHeight
from catenula.base.limits import MAX_REMEMBERED_COMMITTEES
from catenula.protocol import (
    BlobContent,
    BlobId,
    ChainInfo,
    ChainInfoQuery,
    ChainInfoResponse,
    Committee,
    ConfirmedBlockCertificate,
    NodeErrorReceived,
    Notification,
    StreamId,
    check_blob_id,
)
from catenula.protocol.node_error import (
    InvalidCertificateForBlob,
    InvalidChainInfoResponse,
    MissingCertificatesByHeights,
    TooManyCertificatesReturned,
    UnexpectedMessage,
)
from catenula.transport.validator_node import ValidatorNode

UNKNOWN_KEY = Secp256k1PublicKey(bytes(Secp256k1PublicKey.SIZE))
"""Stands for the key of a validator that is known by its address only; it verifies nothing."""


class NodeProvider(Protocol):
    """Makes connections to validators."""

    def connect(self, validator: Secp256k1PublicKey, address: str) -> ValidatorNode:
        """A node for the validator at its committee's network address; does not wait."""
        ...


class RemoteNode:
    """A validator's identity and the connection to it."""

    __slots__ = ("address", "node", "public_key")

    def __init__(self, public_key: Secp256k1PublicKey, address: str, node: ValidatorNode) -> None:
        self.public_key, self.address, self.node = public_key, address, node

    def checked(self, response: ChainInfoResponse, chain_id: ChainId) -> ChainInfo:
        """The info of a response, once it is known to be this validator's and about the chain.

        Raises `NodeErrorReceived` with `InvalidChainInfoResponse`.
        """
        try:
            response.check(self.public_key)
        except ProtocolError as error:
            raise NodeErrorReceived(InvalidChainInfoResponse()) from error
        info = response.info
        manager = info.manager
        about = [info.chain_id]
        proposals = (manager.requested_signed_proposal, manager.requested_proposed)
        about.extend(item.content.block.chain_id for item in proposals if item is not None)
        if manager.requested_locking is not None:
            about.append(ChainId(manager.requested_locking.block_chain_id))
        if any(found != chain_id for found in about):
            raise NodeErrorReceived(InvalidChainInfoResponse())
        return info

    async def chain_info(self, query: ChainInfoQuery) -> ChainInfo:
        """The validator's signed answer to a query."""
        response = await self.node.handle_chain_info_query(query)
        return self.checked(response, query.chain_id)

    async def certificates_by_heights(
        self, chain_id: ChainId, heights: Iterable[BlockHeight]
    ) -> list[ConfirmedBlockCertificate]:
        """Exactly the certificates of these heights, ascending; their signatures are not checked.

        Asks again while answers are cut short. Raises `NodeErrorReceived` for a missing or
        unexpected certificate.
        """
        missing = sorted(set(heights))
        found: dict[BlockHeight, ConfirmedBlockCertificate] = {}
        while missing:
            batch = await self.node.download_certificates_by_heights(chain_id, missing)
            if not batch:
                raise NodeErrorReceived(MissingCertificatesByHeights(chain_id, tuple(missing)))
            wanted = set(missing)
            for certificate in batch:
                height = certificate.block.height
                if certificate.chain_id != chain_id or height not in wanted:
                    raise NodeErrorReceived(TooManyCertificatesReturned(chain_id, self.public_key))
                wanted.discard(height)
                found[height] = certificate
            missing = sorted(wanted)
        return [found[height] for height in sorted(found)]

    async def blob(self, blob_id: BlobId) -> BlobContent:
        """The blob of this id; its hash is checked."""
        content = await self.node.download_blob(blob_id)
        check_blob_id(content, blob_id)
        return content

    async def pending_blob(self, chain_id: ChainId, blob_id: BlobId) -> BlobContent:
        """A blob of a pending block; its hash is checked."""
        content = await self.node.download_pending_blob(chain_id, blob_id)
        check_blob_id(content, blob_id)
        return content

    async def certificate_for_blob(self, blob_id: BlobId) -> ConfirmedBlockCertificate:
        """A certificate whose block requires the blob; its signatures are not checked."""
        certificate = await self.node.blob_last_used_by_certificate(blob_id)
        if blob_id not in certificate.block.required_blob_ids:
            raise NodeErrorReceived(InvalidCertificateForBlob(blob_id))
        return certificate

    async def certificate(self, block_hash: CryptoHash) -> ConfirmedBlockCertificate:
        """The certificate of this block; its signatures are not checked."""
        certificate = await self.node.download_certificate(block_hash)
        if certificate.hash != block_hash:
            raise DecodeError("UnexpectedCertificate", expected=block_hash, found=certificate.hash)
        return certificate

    async def previous_event_blocks(
        self, chain_id: ChainId, stream_ids: Sequence[StreamId]
    ) -> Mapping[StreamId, tuple[BlockHeight, CryptoHash]]:
        """A claim: the last block on each stream that the validator knows of."""
        found = await self.node.previous_event_blocks(chain_id, stream_ids)
        if not found.keys() <= set(stream_ids):
            raise NodeErrorReceived(UnexpectedMessage())
        return found

    def __repr__(self) -> str:
        return f"RemoteNode({self.public_key}, {self.address})"


class _Unreachable:
    """Stands for a validator to which no connection can be made; every call says why."""

    def __init__(self, address: str, error: Exception) -> None:
        self.address, self._error = address, error

    def __getattr__(self, name: str) -> Any:
        async def fail(*_: Any, **__: Any) -> Any:
            raise self._failure() from self._error

        return fail

    def subscribe(self, *_: Any, **__: Any) -> AsyncIterator[Notification]:
        raise self._failure() from self._error

    def _failure(self) -> LocalError:
        return LocalError(f"no connection can be made to {self.address}", retryable=True)


class Validators:
    """The connections of a client, one per validator key and address, made on first use."""

    def __init__(self, provider: NodeProvider) -> None:
        self._provider = provider
        self._nodes: dict[tuple[Secp256k1PublicKey, str], RemoteNode] = {}
        self._known: list[tuple[Committee, list[RemoteNode]]] = []

    def connect(self, address: str, public_key: Secp256k1PublicKey | None = None) -> ValidatorNode:
        """A connection to any address; `DecodeError` or `LocalError` when it cannot be one."""
        return self._provider.connect(public_key or UNKNOWN_KEY, address)

    def of(self, committee: Committee) -> list[RemoteNode]:
        """The validators of a committee that have votes, in key order."""
        for known, nodes in self._known:
            if known is committee:
                return nodes
        nodes = [
            self._node(public_key, state.network_address)
            for public_key, state in committee.validators.items()
            if state.votes
        ]
        self._known = [*self._known[1 - MAX_REMEMBERED_COMMITTEES :], (committee, nodes)]
        return nodes

    def _node(self, public_key: Secp256k1PublicKey, address: str) -> RemoteNode:
        key = (public_key, address)
        found = self._nodes.get(key)
        if found is None:
            node = self._connect(public_key, address)
            found = self._nodes[key] = RemoteNode(public_key, address, node)
        return found

    def _connect(self, public_key: Secp256k1PublicKey, address: str) -> ValidatorNode:
        """A wrong address in a committee is that validator's failure, not the client's."""
        try:
            return self._provider.connect(public_key, address)
        except (ProtocolError, LocalError) as error:
            return cast(ValidatorNode, _Unreachable(address, error))
