"""The chain manager: one validator's (or client node's) consensus state at one height (spec 05 §7).

Invariants kept here: the current round never falls within a height and follows the formula of
§7.1 (C1); a lock is only replaced by one of a strictly higher round (C5); at most one block is
voted for per round and kind (C2), provided that `create_vote` and `create_final_vote` are called
under the lock of the check that accepted (C6-C8). Every piece is a cell of its own, so that a save
writes what changed. The manager signs, but never sends: the caller saves first.
"""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from catenula.base.codec import Record, codec_of
from catenula.base.crypto import ValidatorSecretKey
from catenula.base.errors import invariant
from catenula.base.identifiers import ChainId
from catenula.base.integers import U64_MAX, BlockHeight, Epoch, Timestamp
from catenula.chain.cells import Cell, CellGroup
from catenula.chain.errors import (
    BlockHeightOverflow,
    HasIncompatibleConfirmedVote,
    InsufficientRound,
    InsufficientRoundStrict,
    MustBeNewerThanLockingBlock,
    NotTimedOutYet,
    RoundDoesNotTimeOut,
    WrongRound,
)
from catenula.chain.ownership_rules import FIRST_SINGLE_LEADER, LAST_ROUND, RoundRules
from catenula.protocol import (
    BlobContent,
    BlobId,
    Block,
    BlockProposal,
    BlockVote,
    CertificateKind,
    ChainManagerInfo,
    LiteValue,
    LiteVote,
    LockingBlock,
    LockingFast,
    LockingRegular,
    OriginalFast,
    OriginalRegular,
    Round,
    Timeout,
    TimeoutCertificate,
    ValidatedBlockCertificate,
    sign_vote,
    validated_from_lite,
)
from catenula.storage.batch import Batch
from catenula.views.base import Context
from catenula.views.map import ByteMapView

Blobs = Mapping[BlobId, BlobContent]

_PROPOSED = b"\x00"
_LOCKING = b"\x01"


class Check(Enum):
    """What to do with a proposal or a validated certificate that breaks no rule."""

    ACCEPT = "accept"
    SKIP = "skip"
    """It was handled before: report the stored votes, sign nothing."""


class RoundState(Record, frozen=True):
    """The round this node votes in, and its local deadline."""

    current: Round = Round.FAST
    deadline: Timestamp | None = None


class _BlobSet:
    """The blobs of one block: their ids in a cell, each content in an entry of its own."""

    def __init__(
        self,
        slot: bytes,
        ids: Cell[tuple[BlobId, ...]],
        contents: ByteMapView[BlobContent],
    ) -> None:
        self._slot = slot
        self._ids = ids
        self._contents = contents

    def replace(self, blobs: Blobs) -> None:
        """Hold exactly ``blobs``."""
        ids = self._ids.get()
        if not ids and not blobs:
            return
        for blob_id in ids:
            self._contents.remove(self._slot + blob_id.to_bcs())
        for blob_id, blob in blobs.items():
            self._contents.insert(self._slot + blob_id.to_bcs(), blob)
        self._ids.set(tuple(blobs))

    def get(self, blob_id: BlobId) -> BlobContent | None:
        """One blob of the set."""
        if blob_id not in self._ids.get():
            return None
        return self._contents.get(self._slot + blob_id.to_bcs())

    def all(self) -> dict[BlobId, BlobContent]:
        """All blobs of the set."""
        found = {blob_id: self.get(blob_id) for blob_id in self._ids.get()}
        return {blob_id: blob for blob_id, blob in found.items() if blob is not None}


class ManagerSnapshot(NamedTuple):
    """Votes and lock that must survive a reset of a corrupted chain (spec 05 §9.5)."""

    confirmed_vote: BlockVote | None
    validated_vote: BlockVote | None
    timeout_vote: LiteVote | None
    locking_block: LockingBlock | None
    locking_blobs: Blobs


class ChainManager:
    """Consensus at the height being decided, under ``rules``."""

    def __init__(self, cells: CellGroup, blobs: Context, rules: RoundRules) -> None:
        self.rules = rules
        self._saved_rules = rules
        self._rounds: Cell[RoundState] = cells.cell(codec_of(RoundState), RoundState())
        proposal_codec = codec_of(BlockProposal | None)
        vote_codec = codec_of(BlockVote | None)
        self._signed_proposal: Cell[BlockProposal | None] = cells.cell(proposal_codec, None)
        self._proposed: Cell[BlockProposal | None] = cells.cell(proposal_codec, None)
        self._locking: Cell[LockingBlock | None] = cells.cell(codec_of(LockingBlock | None), None)
        self._timeout: Cell[TimeoutCertificate | None] = cells.cell(
            codec_of(TimeoutCertificate | None), None
        )
        self._confirmed_vote: Cell[BlockVote | None] = cells.cell(vote_codec, None)
        self._validated_vote: Cell[BlockVote | None] = cells.cell(vote_codec, None)
        self._timeout_vote: Cell[LiteVote | None] = cells.cell(codec_of(LiteVote | None), None)
        ids_codec = codec_of(tuple[BlobId, ...])
        self._blobs: ByteMapView[BlobContent] = ByteMapView(blobs, codec_of(BlobContent))
        self._proposed_blobs = _BlobSet(_PROPOSED, cells.cell(ids_codec, ()), self._blobs)
        self._locking_blobs = _BlobSet(_LOCKING, cells.cell(ids_codec, ()), self._blobs)

    # What is stored

    @property
    def current_round(self) -> Round:
        """The lowest round in which this node still votes."""
        return self._rounds.get().current

    @property
    def round_deadline(self) -> Timestamp | None:
        """The local deadline of the current round; None if it never times out."""
        return self._rounds.get().deadline

    @property
    def signed_proposal(self) -> BlockProposal | None:
        """The highest authenticated proposal that has not passed all checks."""
        return self._signed_proposal.get()

    @property
    def proposed(self) -> BlockProposal | None:
        """The proposal of the highest round that passed all checks."""
        return self._proposed.get()

    @property
    def locking_block(self) -> LockingBlock | None:
        """The lock of the highest round seen."""
        return self._locking.get()

    @property
    def timeout(self) -> TimeoutCertificate | None:
        """The timeout certificate of the highest round seen."""
        return self._timeout.get()

    @property
    def confirmed_vote(self) -> BlockVote | None:
        """The latest vote to confirm a block."""
        return self._confirmed_vote.get()

    @property
    def validated_vote(self) -> BlockVote | None:
        """The latest vote to validate a block."""
        return self._validated_vote.get()

    @property
    def timeout_vote(self) -> LiteVote | None:
        """The latest vote that a round has timed out."""
        return self._timeout_vote.get()

    def blob(self, blob_id: BlobId) -> BlobContent | None:
        """A blob of the proposed block, else of the locked block (spec 06 §4.2)."""
        return self._proposed_blobs.get(blob_id) or self._locking_blobs.get(blob_id)

    def proposed_blobs(self) -> dict[BlobId, BlobContent]:
        """The blobs of the proposed block."""
        return self._proposed_blobs.all()

    def locking_blobs(self) -> dict[BlobId, BlobContent]:
        """The blobs of the locked block."""
        return self._locking_blobs.all()

    # Rounds

    def reset(self, rules: RoundRules, now: Timestamp) -> None:
        """Start the height of ``rules``: forget everything, enter the first round."""
        self.rules = rules
        for cell in (
            self._signed_proposal,
            self._proposed,
            self._locking,
            self._timeout,
            self._confirmed_vote,
            self._validated_vote,
            self._timeout_vote,
        ):
            cell.reset()
        self._proposed_blobs.replace({})
        self._locking_blobs.replace({})
        self._enter(rules.first_round(), now)

    def _enter(self, round: Round, now: Timestamp) -> None:
        self._rounds.set(RoundState(round, self.rules.deadline(round, now)))

    def update_current_round(self, now: Timestamp) -> None:
        """Raise the current round to what certificates, lock and proposals call for."""
        highest = self.rules.first_round()
        timeout = self._timeout.get()
        if timeout is not None:
            highest = max(highest, self.rules.next_round(timeout.round) or LAST_ROUND)
        locking = self._locking.get()
        if locking is not None:
            highest = max(highest, locking.round)
        for proposal in (self._proposed.get(), self._signed_proposal.get()):
            if proposal is not None:
                highest = max(highest, proposal.content.round)
        if highest > self.current_round:
            self._enter(highest, now)

    # Proposals (spec 05 §7.2-7.4)

    def check_proposed_block(self, proposal: BlockProposal) -> Check:
        """Whether a proposal may be voted for; raises the rule it breaks."""
        content = proposal.content
        proposed = self._proposed.get()
        if proposed is not None and proposed.content == content:
            return Check.SKIP
        height, round = content.block.height, content.round
        if height == U64_MAX:
            raise BlockHeightOverflow
        self._check_round(proposal)
        validated = self._validated_vote.get()
        if validated is not None and round <= validated.round:
            raise InsufficientRoundStrict(round=validated.round)
        locking = self._locking.get()
        if locking is not None and round <= locking.round:
            raise MustBeNewerThanLockingBlock(height=height, round=locking.round)
        confirmed = self._confirmed_vote.get()
        if confirmed is not None and not _builds_on(proposal, confirmed):
            raise HasIncompatibleConfirmedVote(height=height, round=confirmed.round)
        return Check.ACCEPT

    def _check_round(self, proposal: BlockProposal) -> None:
        """A fast proposal always passes here: what it must not conflict with is checked after."""
        round, current = proposal.content.round, self.current_round
        if round.is_fast:
            return
        if round > FIRST_SINGLE_LEADER:
            if round != current:
                raise WrongRound(round=current)
            return
        if current.is_fast and proposal.owner not in self.rules.ownership.super_owners:
            raise WrongRound(round=current)
        if round < current:
            raise InsufficientRound(round=round)

    def update_signed_proposal(self, proposal: BlockProposal, now: Timestamp) -> bool:
        """Remember an authenticated proposal that may raise the round; whether anything changed."""
        round = proposal.content.round
        if round > FIRST_SINGLE_LEADER:
            return False
        signed = self._signed_proposal.get()
        if signed is not None and signed.content.round >= round:
            if self.current_round >= signed.content.round:
                return False
            self.update_current_round(now)
            return True
        proposed = self._proposed.get()
        if proposed is not None and proposed.content.round >= round:
            return False
        self._signed_proposal.set(proposal)
        self.update_current_round(now)
        return True

    def create_vote(
        self,
        proposal: BlockProposal,
        block: Block,
        *,
        blobs: Blobs,
        now: Timestamp,
        key: ValidatorSecretKey | None,
    ) -> LiteVote | None:
        """Take an accepted proposal and vote for its block; None without a key.

        Only after `check_proposed_block` accepted, and nothing changed since.
        """
        original, round = proposal.original_proposal, proposal.content.round
        if type(original) is OriginalRegular:
            certificate = validated_from_lite(original.certificate, block)
            self._raise_lock(LockingRegular(certificate), blobs)
        elif type(original) is OriginalFast:
            self._raise_lock(LockingFast(proposal.replace(signature=original.signature)), blobs)
        elif round.is_fast:
            self._raise_lock(LockingFast(proposal), blobs)
        self._update_proposed(proposal, blobs)
        self.update_current_round(now)
        if key is None:
            return None
        if round.is_fast:
            self._validated_vote.reset()
            return _cast(self._confirmed_vote, CertificateKind.CONFIRMED, block, round, key)
        return _cast(self._validated_vote, CertificateKind.VALIDATED, block, round, key)

    def _raise_lock(self, locking: LockingBlock, blobs: Blobs) -> None:
        existing = self._locking.get()
        if existing is not None and existing.round >= locking.round:
            return
        self._locking.set(locking)
        self._locking_blobs.replace(blobs)

    def _update_proposed(self, proposal: BlockProposal, blobs: Blobs) -> None:
        round = proposal.content.round
        proposed = self._proposed.get()
        if proposed is not None and proposed.content.round >= round:
            return
        signed = self._signed_proposal.get()
        if signed is not None and signed.content.round <= round:
            self._signed_proposal.reset()
        self._proposed.set(proposal)
        self._proposed_blobs.replace(blobs)

    # Certificates (spec 05 §7.5-7.6)

    def check_validated_block(self, certificate: ValidatedBlockCertificate) -> Check:
        """Whether a validated certificate may be voted for; raises the rule it breaks."""
        round = certificate.round
        confirmed = self._confirmed_vote.get()
        if (
            confirmed is not None
            and confirmed.round == round
            and confirmed.value.hash == certificate.hash
        ):
            return Check.SKIP
        validated = self._validated_vote.get()
        if validated is not None and round < validated.round:
            raise InsufficientRound(round=validated.round)
        locking = self._locking.get()
        if locking is not None and round <= locking.round:
            raise InsufficientRoundStrict(round=locking.round)
        return Check.ACCEPT

    def create_final_vote(
        self,
        certificate: ValidatedBlockCertificate,
        *,
        blobs: Blobs,
        now: Timestamp,
        key: ValidatorSecretKey | None,
    ) -> LiteVote | None:
        """Lock a validated block and vote to confirm it, unless its round has passed.

        Only after `check_validated_block` accepted, and nothing changed since.
        """
        round = certificate.round
        self._raise_lock(LockingRegular(certificate), blobs)
        self.update_current_round(now)
        if key is None or self.current_round != round:
            return None
        vote = _cast(self._confirmed_vote, CertificateKind.CONFIRMED, certificate.block, round, key)
        self._validated_vote.reset()
        return vote

    def handle_timeout_certificate(self, certificate: TimeoutCertificate, now: Timestamp) -> bool:
        """Store a timeout certificate if it is newer than the stored one; whether it is."""
        stored = self._timeout.get()
        if stored is not None and stored.round >= certificate.round:
            return False
        self._timeout.set(certificate)
        self.update_current_round(now)
        return True

    def create_timeout_vote(
        self,
        chain_id: ChainId,
        epoch: Epoch,
        *,
        round: Round,
        now: Timestamp,
        key: ValidatorSecretKey | None,
    ) -> bool:
        """Vote that ``round`` has timed out; whether the vote is new (spec 05 §6.6).

        Raises `WrongRound`, `RoundDoesNotTimeOut`, `NotTimedOutYet`.
        """
        if round != self.current_round:
            raise WrongRound(round=self.current_round)
        deadline = self.round_deadline
        if deadline is None:
            raise RoundDoesNotTimeOut
        if now < deadline:
            raise NotTimedOutYet(deadline=deadline)
        vote = self._timeout_vote.get()
        if key is None or (vote is not None and vote.round == round):
            return False
        timeout = Timeout(chain_id, self.rules.height, epoch)
        value = LiteValue(timeout.hash, chain_id, CertificateKind.TIMEOUT)
        self._timeout_vote.set(sign_vote(value, round, key))
        return True

    # Reports (spec 05 §7.7)

    def pending_vote(self) -> LiteVote | None:
        """The vote to report: the validated one if its round is higher, else the confirmed one."""
        confirmed, validated = self._confirmed_vote.get(), self._validated_vote.get()
        if validated is not None and (confirmed is None or validated.round > confirmed.round):
            return _lite(validated, CertificateKind.VALIDATED)
        return None if confirmed is None else _lite(confirmed, CertificateKind.CONFIRMED)

    def info(self, *, with_values: bool = False) -> ChainManagerInfo:
        """What chain info tells about consensus; ``with_values`` adds proposals, lock, blocks."""
        rounds = self._rounds.get()
        confirmed, validated = self._confirmed_vote.get(), self._validated_vote.get()
        return ChainManagerInfo(
            ownership=self.rules.ownership,
            requested_signed_proposal=self._signed_proposal.get() if with_values else None,
            requested_proposed=self._proposed.get() if with_values else None,
            requested_locking=self._locking.get() if with_values else None,
            timeout=self._timeout.get(),
            pending=self.pending_vote(),
            timeout_vote=self._timeout_vote.get(),
            fallback_vote=None,
            requested_confirmed=confirmed.value if with_values and confirmed else None,
            requested_validated=validated.value if with_values and validated else None,
            current_round=rounds.current,
            leader=self.rules.leader(rounds.current),
            round_timeout=rounds.deadline,
        )

    # Recovery and persistence

    def snapshot(self) -> ManagerSnapshot:
        """The votes and the lock, to be carried over a reset of the chain."""
        return ManagerSnapshot(
            self.confirmed_vote,
            self.validated_vote,
            self.timeout_vote,
            self.locking_block,
            self.locking_blobs(),
        )

    def restore(self, snapshot: ManagerSnapshot, height: BlockHeight, now: Timestamp) -> None:
        """Put the votes and the lock back; only at the height they were taken at."""
        invariant(height == self.rules.height, "C2", height=height, current=self.rules.height)
        self._confirmed_vote.set(snapshot.confirmed_vote)
        self._validated_vote.set(snapshot.validated_vote)
        self._timeout_vote.set(snapshot.timeout_vote)
        self._locking.set(snapshot.locking_block)
        self._locking_blobs.replace(snapshot.locking_blobs)
        self.update_current_round(now)

    def save(self, batch: Batch) -> None:
        """Append the writes of changed blobs; the cells belong to the chain's group."""
        self._blobs.save(batch)
        self._saved_rules = self.rules

    def clear(self) -> None:
        """Remove the blobs; the cells belong to the chain's group."""
        self._blobs.clear()

    def rollback(self) -> None:
        """Forget all changes since the last save; the cells belong to the chain's group."""
        self._blobs.rollback()
        self.rules = self._saved_rules


def _builds_on(proposal: BlockProposal, confirmed: BlockVote) -> bool:
    """Whether a proposal may follow a vote to confirm a block at the same height."""
    original = proposal.original_proposal
    if type(original) is OriginalRegular:
        return confirmed.round <= original.certificate.round
    if type(original) is OriginalFast:
        return confirmed.round.is_fast and confirmed.value.proposed == proposal.content.block
    return False


def _cast(
    cell: Cell[BlockVote | None],
    kind: CertificateKind,
    block: Block,
    round: Round,
    key: ValidatorSecretKey,
) -> LiteVote:
    """Sign a vote for a block and keep it."""
    vote = sign_vote(LiteValue(block.hash, block.chain_id, kind), round, key)
    cell.set(BlockVote(block, round, vote.signature))
    return vote


def _lite(vote: BlockVote, kind: CertificateKind) -> LiteVote:
    value = LiteValue(vote.value.hash, vote.value.chain_id, kind)
    return LiteVote(value, vote.round, vote.signature)
