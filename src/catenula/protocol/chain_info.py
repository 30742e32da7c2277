"""Chain info: the signed answer of a validator about a chain (spec 01 §6.7, 06 §4.9)."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from catenula.base.codec import MemoRecord, Record
from catenula.base.codec.codec import node_of, register_scalar
from catenula.base.codec.schema import RecordNode
from catenula.base.crypto import Secp256k1PublicKey, Secp256k1Signature, ValidatorSecretKey
from catenula.base.errors import ProtocolError
from catenula.base.hashing import typed_hash
from catenula.base.identifiers import AccountOwner, ChainId, CryptoHash
from catenula.base.integers import U64, Amount, BlockHeight, Epoch, Timestamp
from catenula.base.memo import cached_property
from catenula.protocol.blocks import Block
from catenula.protocol.certificates import TimeoutCertificate
from catenula.protocol.chains import ChainDescription
from catenula.protocol.committee import Committee
from catenula.protocol.identifiers import ChainAndHeight
from catenula.protocol.messages import IncomingBundle
from catenula.protocol.ownership import ChainOwnership
from catenula.protocol.proposals import BlockProposal, LockingBlock
from catenula.protocol.rounds import Round
from catenula.protocol.votes import LiteVote


class BlockHeightRange(Record, frozen=True):
    """A range of heights; unused over gRPC."""

    start: BlockHeight
    limit: U64 | None


class ChainInfoQuery(Record, frozen=True):
    """A question about a chain; see spec 06 §4.9 for each flag."""

    JSON_DEFAULTS: ClassVar[dict[str, Any]] = {"create_network_actions": True}

    chain_id: ChainId
    test_next_block_height: BlockHeight | None = None
    request_owner_balance: AccountOwner = AccountOwner.CHAIN
    request_committees: bool = False
    request_pending_message_bundles: bool = False
    request_sent_certificate_hashes_in_range: BlockHeightRange | None = None
    request_received_log_excluding_first_n: U64 | None = None
    request_manager_values: bool = False
    request_leader_timeout: tuple[BlockHeight, Round] | None = None
    request_fallback: bool = False
    request_sent_certificate_hashes_by_heights: tuple[BlockHeight, ...] = ()
    create_network_actions: bool = False


class ChainManagerInfo(Record, frozen=True):
    """The chain manager's state at the next height (spec 05 §7.7)."""

    ownership: ChainOwnership
    requested_signed_proposal: BlockProposal | None
    requested_proposed: BlockProposal | None
    requested_locking: LockingBlock | None
    timeout: TimeoutCertificate | None
    pending: LiteVote | None
    timeout_vote: LiteVote | None
    fallback_vote: LiteVote | None
    requested_confirmed: Block | None
    requested_validated: Block | None
    current_round: Round
    leader: AccountOwner | None
    round_timeout: Timestamp | None


class ChainInfo(MemoRecord, frozen=True):
    """What a node says about a chain."""

    chain_id: ChainId
    epoch: Epoch
    description: ChainDescription | None
    manager: ChainManagerInfo
    chain_balance: Amount
    block_hash: CryptoHash | None
    timestamp: Timestamp
    next_block_height: BlockHeight
    state_hash: CryptoHash | None
    requested_owner_balance: Amount | None
    requested_committees: Mapping[Epoch, Committee] | None
    requested_pending_message_bundles: tuple[IncomingBundle, ...]
    requested_sent_certificate_hashes: tuple[CryptoHash, ...]
    count_received_log: U64
    requested_received_log: tuple[ChainAndHeight, ...]

    @cached_property
    def hash(self) -> CryptoHash:
        """Keccak of ``ChainInfo`` over the BCS form."""
        return typed_hash("ChainInfo", self.bcs)


class InvalidChainInfoResponse(ProtocolError):
    """A chain info response is unsigned, wrongly signed, or about another chain."""

    def __init__(self, reason: str, **fields: Any) -> None:
        super().__init__("InvalidChainInfoResponse", reason=reason, **fields)


class ChainInfoResponse:
    """Chain info, signed by a validator; unsigned from a node without a key.

    A validator's own responses are signed when the signature is first looked at: always before one
    leaves the process, and never for a reader in the same process that takes nothing from it that
    needs vouching for. The info is an immutable picture, so it does not matter when that happens.
    """

    __slots__ = ("_make_signature", "_signature", "info")

    TEXT_JSON: ClassVar[bool] = False
    JSON_DEFAULTS: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        info: ChainInfo,
        signature: Secp256k1Signature | None = None,
        make_signature: Callable[[], Secp256k1Signature | None] | None = None,
    ) -> None:
        self.info = info
        self._signature, self._make_signature = signature, make_signature

    @property
    def signature(self) -> Secp256k1Signature | None:
        """The signature over the info's hash, if there is one."""
        if self._make_signature is not None:
            self._signature, self._make_signature = self._make_signature(), None
        return self._signature

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ChainInfoResponse):
            return NotImplemented
        return self.info == other.info and self.signature == other.signature

    def __hash__(self) -> int:
        return hash((ChainInfoResponse, self.info.hash))

    def __repr__(self) -> str:
        return f"ChainInfoResponse({self.info!r}, {self.signature!r})"

    def as_received(self) -> "ChainInfoResponse":
        """The same response as a receiver has it: without what the sender derived from the info."""
        return ChainInfoResponse(self.info.without_memo(), make_signature=self._signature_now)

    def _signature_now(self) -> Secp256k1Signature | None:
        return self.signature

    def check(self, validator: Secp256k1PublicKey) -> None:
        """Raise unless ``validator`` signed the info."""
        if self.signature is None:
            raise InvalidChainInfoResponse("unsigned", validator=validator)
        try:
            self.signature.verify(validator, self.info.hash)
        except ProtocolError as error:
            raise InvalidChainInfoResponse("wrong signature", validator=validator) from error


def _register_response() -> None:
    node = RecordNode(ChainInfoResponse, "ChainInfoResponse")
    signature = node_of(Secp256k1Signature | None)
    node.fields = (("info", node_of(ChainInfo)), ("signature", signature))
    register_scalar(ChainInfoResponse, node)


_register_response()


def sign_chain_info(info: ChainInfo, secret: ValidatorSecretKey | None) -> ChainInfoResponse:
    """The response of a node: signed, when somebody looks, if it has a key."""
    if secret is None:
        return ChainInfoResponse(info)
    return ChainInfoResponse(info, make_signature=lambda: secret.sign(info.hash))
