"""Blobs that blocks are waiting for before they can be accepted (spec 05 §1.1, §5 step 13).

One set belongs to the validated certificate that could not be accepted yet, and one to each owner
whose proposal lacks blobs. A set lists every blob its block requires; each content is an entry of
its own. All sets are forgotten with the chain manager.
"""

from collections.abc import Mapping

from catenula.base.codec import Record, codec_of
from catenula.base.identifiers import AccountOwner
from catenula.chain.cells import Cell, CellGroup
from catenula.chain.errors import InsufficientRound, TooManyPublishedBlobs, UnexpectedBlob
from catenula.protocol import BlobContent, BlobId, Round
from catenula.storage.batch import Batch
from catenula.views.base import Context
from catenula.views.map import ByteMapView

_VALIDATED = b"\x00"
_PROPOSED = b"\x01"


class PendingHead(Record, frozen=True):
    """One set without the contents of its blobs."""

    round: Round = Round.FAST
    validated: bool = False
    blob_ids: tuple[BlobId, ...] = ()


NO_PENDING_BLOBS = PendingHead()


class PendingBlobs:
    """All sets of one chain."""

    def __init__(self, context: Context, cells: CellGroup) -> None:
        self._is_used: Cell[bool] = cells.cell(codec_of(bool), False)
        self._heads: ByteMapView[PendingHead] = ByteMapView(
            context.child(b"\x00"), codec_of(PendingHead)
        )
        self._contents: ByteMapView[BlobContent] = ByteMapView(
            context.child(b"\x01"), codec_of(BlobContent)
        )

    def validated(self) -> PendingHead:
        """The set of the validated certificate."""
        return self._head(_VALIDATED)

    def proposed(self, owner: AccountOwner) -> PendingHead:
        """The set of the proposal of ``owner``."""
        return self._head(_PROPOSED + owner)

    def _head(self, slot: bytes) -> PendingHead:
        if not self._is_used.get():
            return NO_PENDING_BLOBS
        return self._heads.get(slot) or NO_PENDING_BLOBS

    def owners(self) -> list[AccountOwner]:
        """The owners with a set, ascending."""
        if not self._is_used.get():
            return []
        return [AccountOwner(slot[1:]) for slot in self._heads if slot != _VALIDATED]

    def contents(self, owner: AccountOwner | None) -> dict[BlobId, BlobContent | None]:
        """The blobs of one owner's set, or of the validated one; None for those that lack."""
        slot = _VALIDATED if owner is None else _PROPOSED + owner
        return {
            blob_id: self._contents.get(slot + blob_id.to_bcs())
            for blob_id in self._head(slot).blob_ids
        }

    def get(self, blob_id: BlobId) -> BlobContent | None:
        """The content of a blob in any set: the validated one first, then by owner."""
        if not self._is_used.get():
            return None
        for slot in self._heads:
            if blob_id in self._head(slot).blob_ids:
                found = self._contents.get(slot + blob_id.to_bcs())
                if found is not None:
                    return found
        return None

    def expect_validated(self, round: Round, blobs: Mapping[BlobId, BlobContent | None]) -> None:
        """Record the blobs that a validated certificate requires, found or not.

        Raises `InsufficientRound` if the set is for a higher round.
        """
        self._update(_VALIDATED, round, validated=True, blobs=blobs)

    def expect_proposed(
        self,
        owner: AccountOwner,
        round: Round,
        *,
        validated: bool,
        blobs: Mapping[BlobId, BlobContent | None],
    ) -> None:
        """Record the blobs that a proposal requires, found or not.

        Raises `InsufficientRound` if the owner's set is for a higher round.
        """
        self._update(_PROPOSED + owner, round, validated=validated, blobs=blobs)

    def _update(
        self,
        slot: bytes,
        round: Round,
        *,
        validated: bool,
        blobs: Mapping[BlobId, BlobContent | None],
    ) -> None:
        head = self._head(slot)
        if head.round > round:
            raise InsufficientRound(round=head.round)
        if head.round < round:
            self._forget_contents(slot, head)
            head = PendingHead(round, validated)
        for blob_id, blob in blobs.items():
            if blob is not None:
                self._contents.insert(slot + blob_id.to_bcs(), blob)
        blob_ids = tuple(dict.fromkeys((*head.blob_ids, *blobs)))
        self._heads.insert(slot, PendingHead(head.round, head.validated, blob_ids))
        self._is_used.set(True)

    def _forget_contents(self, slot: bytes, head: PendingHead) -> None:
        for blob_id in head.blob_ids:
            self._contents.remove(slot + blob_id.to_bcs())

    def forget_proposed(self) -> None:
        """Remove the sets of all owners (chains on which anyone may propose)."""
        for owner in self.owners():
            slot = _PROPOSED + owner
            self._forget_contents(slot, self._head(slot))
            self._heads.remove(slot)

    def insert(self, blob: BlobContent, *, maximum_published_blobs: int) -> None:
        """Take an uploaded blob into the first set that lists it (spec 06 §4.10).

        Raises `TooManyPublishedBlobs`, `UnexpectedBlob`.
        """
        is_expected = self._insert_if_listed(_VALIDATED, blob)
        for owner in self.owners():
            head = self.proposed(owner)
            if not head.validated and len(head.blob_ids) >= maximum_published_blobs:
                raise TooManyPublishedBlobs(limit=maximum_published_blobs)
            is_expected = is_expected or self._insert_if_listed(_PROPOSED + owner, blob)
        if not is_expected:
            raise UnexpectedBlob(blob_id=blob.id)

    def has_unvalidated_sets(self) -> bool:
        """Whether an upload must respect the policy's limits on published blobs."""
        return any(not self.proposed(owner).validated for owner in self.owners())

    def _insert_if_listed(self, slot: bytes, blob: BlobContent) -> bool:
        if blob.id not in self._head(slot).blob_ids:
            return False
        self._contents.insert(slot + blob.id.to_bcs(), blob)
        return True

    def save(self, batch: Batch) -> None:
        """Append the writes of everything that changed."""
        self._heads.save(batch)
        self._contents.save(batch)

    def rollback(self) -> None:
        """Forget all changes since the last save."""
        self._heads.rollback()
        self._contents.rollback()

    def clear(self) -> None:
        """Remove all sets; costs nothing if there are none."""
        if self._is_used.get():
            self._heads.clear()
            self._contents.clear()
            self._is_used.set(False)
