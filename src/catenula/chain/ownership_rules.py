"""What an ownership says about rounds and proposers (spec 05 §6.2-6.5).

Pure functions of a chain's ownership, and `RoundRules`: the snapshot one height is decided under,
with the leader tables. Nothing here depends on the state of consensus.
"""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from catenula.base.identifiers import AccountOwner
from catenula.base.integers import U32_MAX, BlockHeight, TimeDelta, Timestamp, saturating_add
from catenula.chain.leader import LeaderDistribution
from catenula.protocol import ChainOwnership, Committee, Round

FIRST_SINGLE_LEADER = Round.single_leader(0)
"""The highest round that a proposal alone can enter; later ones need a certificate."""

LAST_ROUND = Round.validator(U32_MAX)


def may_propose_in_multi_leader_round(ownership: ChainOwnership, owner: AccountOwner) -> bool:
    """Whether ``owner`` may propose in every multi-leader round, whatever its number."""
    return ownership.open_multi_leader_rounds or ownership.is_owner(owner)


def is_super_owner_without_regular_owners(ownership: ChainOwnership, owner: AccountOwner) -> bool:
    """Whether ``owner`` is a super owner of a chain that has no regular owners."""
    return not ownership.owners and owner in ownership.super_owners


def first_round(ownership: ChainOwnership) -> Round:
    """The round in which every height starts."""
    if ownership.super_owners:
        return Round.FAST
    if not ownership.owners:
        return Round.validator(0)
    if ownership.multi_leader_rounds > 0:
        return Round.multi_leader(0)
    return FIRST_SINGLE_LEADER


def next_round(ownership: ChainOwnership, round: Round) -> Round | None:
    """The round that follows a timed out one; None after the very last."""
    number = round.number + 1
    if round.is_fast:
        return Round.multi_leader(0) if ownership.multi_leader_rounds else FIRST_SINGLE_LEADER
    if round.is_multi_leader:
        return (
            Round.multi_leader(number)
            if number < ownership.multi_leader_rounds
            else FIRST_SINGLE_LEADER
        )
    if round.is_single_leader:
        return Round.single_leader(number) if number <= U32_MAX else Round.validator(0)
    return Round.validator(number) if number <= U32_MAX else None


def round_duration(ownership: ChainOwnership, round: Round) -> TimeDelta | None:
    """How long a round lasts, in microseconds; None if it never times out (spec 05 §6.3)."""
    config = ownership.timeout_config
    if round.is_fast:
        return config.fast_round_duration if ownership.owners else None
    if round.is_multi_leader:
        is_last = min(round.number + 1, U32_MAX) == ownership.multi_leader_rounds
        return config.base_timeout if is_last else None
    increment = saturating_add(TimeDelta(0), config.timeout_increment * round.number)
    return saturating_add(config.base_timeout, increment)


def round_deadline(ownership: ChainOwnership, round: Round, now: Timestamp) -> Timestamp | None:
    """The local deadline of a round entered at ``now``; None if it never times out."""
    duration = round_duration(ownership, round)
    return None if duration is None else saturating_add(now, duration)


def fallback_owners(committee: Committee) -> dict[AccountOwner, int]:
    """The validators' accounts and votes, sorted by owner (spec 05 §6.4).

    An account that several validators share keeps the votes of the last validator key.
    """
    votes = {
        validator.account_public_key.owner(): validator.votes
        for validator in committee.validators.values()
    }
    return {owner: votes[owner] for owner in sorted(votes)}


class LeaderTable(NamedTuple):
    """Owners in ascending order and how to choose among them."""

    owners: tuple[AccountOwner, ...]
    distribution: LeaderDistribution | None

    @classmethod
    def of(cls, weights: Mapping[AccountOwner, int]) -> "LeaderTable":
        """The table of owners and weights."""
        owners = tuple(sorted(weights))
        return cls(owners, LeaderDistribution.of([weights[owner] for owner in owners]))

    def leader(self, round_number: int, seed: int) -> AccountOwner | None:
        """The owner chosen for a round at a height; None if there is no leader."""
        if self.distribution is None:
            return None
        return self.owners[self.distribution.leader(round_number, seed)]


class RoundRules:
    """The ownership, height and committee under which one height is decided.

    A value: made at each reset of the chain manager, never changed. The leader tables are made
    when a leader round first asks for them.
    """

    __slots__ = ("_fallback_table", "_leaders", "_owner_table", "committee", "height", "ownership")

    MAXIMUM_CACHED_LEADERS: ClassVar[int] = 64
    """Bounds what proposals for arbitrary rounds can make this node remember."""

    def __init__(
        self, ownership: ChainOwnership, height: BlockHeight, committee: Committee | None
    ) -> None:
        self.ownership = ownership
        self.height = height
        self.committee = committee
        self._owner_table: LeaderTable | None = None
        self._fallback_table: LeaderTable | None = None
        self._leaders: dict[Round, AccountOwner | None] = {}

    def at_height(self, height: BlockHeight) -> "RoundRules":
        """The same ownership and committee at another height; keeps the leader tables."""
        rules = RoundRules(self.ownership, height, self.committee)
        rules._owner_table = self._owner_table
        rules._fallback_table = self._fallback_table
        return rules

    def leader(self, round: Round) -> AccountOwner | None:
        """The leader of a single-leader or validator round; None elsewhere or if there is none."""
        if round < FIRST_SINGLE_LEADER:
            return None
        if round not in self._leaders:
            if len(self._leaders) >= self.MAXIMUM_CACHED_LEADERS:
                self._leaders.clear()
            table = self._owners() if round.is_single_leader else self._fallback()
            self._leaders[round] = table.leader(round.number, self.height)
        return self._leaders[round]

    def _owners(self) -> LeaderTable:
        if self._owner_table is None:
            self._owner_table = LeaderTable.of(self.ownership.owners)
        return self._owner_table

    def _fallback(self) -> LeaderTable:
        if self._fallback_table is None:
            committee = self.committee
            self._fallback_table = LeaderTable.of(fallback_owners(committee) if committee else {})
        return self._fallback_table

    def may_propose(self, owner: AccountOwner, round: Round) -> bool:
        """Whether ``owner`` may propose in ``round`` (spec 05 §6.4)."""
        ownership = self.ownership
        if owner in ownership.super_owners:
            return True
        if round.is_fast:
            return False
        if round.is_multi_leader:
            return ownership.open_multi_leader_rounds or owner in ownership.owners
        return owner == self.leader(round)

    def first_round(self) -> Round:
        """The round in which this height starts."""
        return first_round(self.ownership)

    def next_round(self, round: Round) -> Round | None:
        """The successor of ``round``; None after the very last."""
        return next_round(self.ownership, round)

    def deadline(self, round: Round, now: Timestamp) -> Timestamp | None:
        """The deadline of ``round`` when entered at ``now``; None if it never times out."""
        return round_deadline(self.ownership, round, now)
