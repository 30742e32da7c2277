"""The names of all wire types, as the registry of wire types and spec 01 appendix A give them.

Importing this module makes every type known to `codec_by_name`; recorded data and storage scripts
name types, the rest of the program uses the types themselves.
"""

from typing import Any

from catenula import protocol
from catenula.base import crypto, identifiers, integers
from catenula.base.codec import codec_by_name, register_name
from catenula.protocol import node_error, rpc_message
from catenula.protocol.votes import VoteValue

__all__ = ["codec_by_name", "registered_names"]

_SAME_NAME: tuple[Any, ...] = (
    identifiers.CryptoHash,
    identifiers.ChainId,
    identifiers.ApplicationId,
    identifiers.AccountOwner,
    identifiers.GenericApplicationId,
    crypto.Ed25519PublicKey,
    crypto.Ed25519Signature,
    crypto.Secp256k1PublicKey,
    crypto.Secp256k1Signature,
    crypto.EvmPublicKey,
    crypto.EvmSignature,
    crypto.AccountPublicKey,
    crypto.AccountSignature,
    protocol.Account,
    protocol.ApplicationDescription,
    protocol.ApplicationPermissions,
    protocol.BlobContent,
    protocol.BlobId,
    protocol.BlobType,
    protocol.Block,
    protocol.BlockBody,
    protocol.BlockExecutionOutcome,
    protocol.BlockHeader,
    protocol.BlockHeightRange,
    protocol.BlockProposal,
    protocol.Bytecode,
    protocol.CertificateKind,
    protocol.ChainAndHeight,
    protocol.ChainDescription,
    protocol.ChainInfo,
    protocol.ChainInfoQuery,
    protocol.ChainInfoResponse,
    protocol.ChainManagerInfo,
    protocol.ChainOwnership,
    protocol.Committee,
    protocol.CompressedBytecode,
    protocol.ConfirmedBlockCertificate,
    protocol.CrateVersion,
    protocol.Event,
    protocol.EventId,
    protocol.GenesisConfig,
    protocol.HandleConfirmedCertificateRequest,
    protocol.HandleLiteCertRequest,
    protocol.HandleTimeoutCertificateRequest,
    protocol.HandleValidatedCertificateRequest,
    protocol.IncomingBundle,
    protocol.InitialChainConfig,
    protocol.LiteCertificate,
    protocol.LiteValue,
    protocol.LiteVote,
    protocol.MessageAction,
    protocol.MessageBundle,
    protocol.MessageKind,
    protocol.ModuleId,
    protocol.NetworkDescription,
    protocol.Notification,
    protocol.OpenChainConfig,
    protocol.OutgoingMessage,
    protocol.PostedMessage,
    protocol.ProposalContent,
    protocol.ProposedBlock,
    protocol.ResourceControlPolicy,
    protocol.Round,
    protocol.StreamId,
    protocol.Timeout,
    protocol.TimeoutCertificate,
    protocol.TimeoutConfig,
    protocol.ValidatedBlockCertificate,
    protocol.ValidatorState,
    protocol.VersionInfo,
    protocol.VmRuntime,
)
"""Classes that bear the protocol's name."""

_OTHERS: dict[str, Any] = {
    "bool": bool,
    "bytes": bytes,
    "str": str,
    "u8": integers.U8,
    "u16": integers.U16,
    "u32": integers.U32,
    "u64": integers.U64,
    "u128": integers.U128,
    "U128": integers.U128,
    "Amount": integers.Amount,
    "BlockHeight": integers.BlockHeight,
    "Epoch": integers.Epoch,
    "TimeDelta": integers.TimeDelta,
    "Timestamp": integers.Timestamp,
    "AdminOperation": protocol.AdminOperation,
    "Blob": protocol.Blob,
    "Certificate": protocol.Certificate,
    "CertificatesByHeightRequest": protocol.CertificatesByHeightRequest,
    "ChainOrigin": protocol.ChainOrigin,
    "CrossChainRequest": protocol.CrossChainRequest,
    "CryptoHashVec": tuple[identifiers.CryptoHash, ...],
    "DataBlobHash": identifiers.CryptoHash,
    "Header": protocol.HttpHeader,
    "LockingBlock": protocol.LockingBlock,
    "Message": protocol.Message,
    "NodeError": node_error.NodeError,
    "Operation": protocol.Operation,
    "OperationResult": protocol.OperationResult,
    "OracleResponse": protocol.OracleResponse,
    "OriginalProposal": protocol.OriginalProposal,
    "Reason": protocol.Reason,
    "Response": protocol.HttpResponse,
    "RpcMessage": rpc_message.RpcMessage,
    "StreamName": protocol.StreamName,
    "SystemMessage": protocol.SystemMessage,
    "SystemOperation": protocol.SystemOperation,
    "TestString": str,
    "Transaction": protocol.Transaction,
    "ValidatedBlock": protocol.Block,
    "ConfirmedBlock": protocol.Block,
    "Vote<ValidatedBlock>": protocol.BlockVote,
    "Vote<ConfirmedBlock>": protocol.BlockVote,
    "Vote<Timeout>": protocol.TimeoutVote,
    "VoteValue": VoteValue,
}
"""Scalars, enums with payload, and types that are called differently here."""

_BY_NAME: dict[str, Any] = {**{cls.__name__: cls for cls in _SAME_NAME}, **_OTHERS}


def registered_names() -> tuple[str, ...]:
    """Every registered name; each gives a codec by `codec_by_name`."""
    return tuple(_BY_NAME)


for _name, _annotation in _BY_NAME.items():
    register_name(_name, _annotation)
