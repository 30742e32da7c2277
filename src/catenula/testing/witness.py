"""`Witness`: remembers what one node has told the outside and holds it to that.

It checks C2 as votes are seen; `Witness.check` compares a node, usually one that has just come back
from a crash, with everything seen before: heights never go back (C14 for what was confirmed),
votes are found again (C14), and what was confirmed to a sender is in the inbox (M9).
"""

from catenula.base.errors import invariant
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import BlockHeight
from catenula.chain.chain_state import ChainState
from catenula.protocol import (
    CertificateKind,
    ChainInfo,
    ConfirmUpdatedRecipient,
    CrossChainRequest,
    LiteVote,
    Round,
)
from catenula.worker import Worker

Slot = tuple[ChainId, BlockHeight, Round, CertificateKind]


class Witness:
    """What one node has told."""

    def __init__(self) -> None:
        self.votes: dict[Slot, CryptoHash] = {}
        self._last_info: dict[ChainId, ChainInfo] = {}
        self._received: dict[tuple[ChainId, ChainId], BlockHeight] = {}

    def saw_info(self, info: ChainInfo) -> None:
        """Take note of a reply; raises `InvariantViolation` for a second vote in a round (C2)."""
        for vote in (info.manager.pending, info.manager.timeout_vote):
            if vote is not None:
                self._saw_vote(info, vote)
        self._last_info[info.chain_id] = info

    def _saw_vote(self, info: ChainInfo, vote: LiteVote) -> None:
        slot = (info.chain_id, info.next_block_height, vote.round, vote.value.kind)
        known = self.votes.setdefault(slot, vote.value.value_hash)
        invariant(known == vote.value.value_hash, "C2", slot=slot)

    def saw_request(self, request: CrossChainRequest) -> None:
        """Take note of a request that left a chain."""
        if isinstance(request, ConfirmUpdatedRecipient):
            key = (request.recipient, request.sender)
            known = self._received.get(key, request.latest_height)
            self._received[key] = max(known, request.latest_height)

    def check(self, worker: Worker) -> None:
        """Raise `InvariantViolation` unless the node stands by all it has told."""
        for chain_id, info in self._last_info.items():
            chain = worker.chain(chain_id)
            invariant(
                chain.next_block_height >= info.next_block_height,
                "C14",
                chain_id=chain_id,
                told=info.next_block_height,
                found=chain.next_block_height,
            )
            if chain.next_block_height == info.next_block_height:
                _check_same_height(chain, info)
        for (recipient, sender), height in self._received.items():
            state = worker.chain(recipient).inboxes.state(sender)
            invariant(state.next_height_to_receive > height, "M9", recipient=recipient)


def _check_same_height(chain: ChainState, info: ChainInfo) -> None:
    invariant(chain.tip.block_hash == info.block_hash, "C14", chain_id=info.chain_id)
    invariant(
        chain.manager.current_round >= info.manager.current_round, "C1", chain_id=info.chain_id
    )
    told = info.manager.pending
    if told is not None:
        found = chain.manager.pending_vote()
        invariant(found is not None and _covers(found, told), "C14", told=told, found=found)
    timeout_vote = info.manager.timeout_vote
    if timeout_vote is not None:
        kept = chain.manager.timeout_vote
        invariant(kept is not None and kept.round >= timeout_vote.round, "C14", told=timeout_vote)


def _covers(found: LiteVote, told: LiteVote) -> bool:
    """Whether a vote is the one that was told, or a later one."""
    return found == told or (found.round, found.value.kind) > (told.round, told.value.kind)
