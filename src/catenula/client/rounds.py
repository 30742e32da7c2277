"""In which round to propose (spec 07 §8, 05 §8.2). Pure."""

from collections.abc import Callable
from typing import NamedTuple

from catenula.base.identifiers import AccountOwner
from catenula.base.integers import Timestamp
from catenula.chain.ownership_rules import RoundRules
from catenula.protocol import Round


class ProposeIn(NamedTuple):
    """Propose now, in this round."""

    round: Round


class WaitUntil(NamedTuple):
    """Nothing can be proposed before the current round times out."""

    deadline: Timestamp


class Impossible(NamedTuple):
    """Nothing can be proposed by this owner, however long it waits."""

    reason: str


Choice = ProposeIn | WaitUntil | Impossible


class Situation(NamedTuple):
    """The consensus of a chain as the local node knows it.

    ``is_taken`` says whether something else was proposed in a round already; ``skip_fast`` that
    this block must not or shall not go into the fast round.
    """

    rules: RoundRules
    current: Round
    deadline: Timestamp | None
    is_taken: Callable[[Round], bool]
    skip_fast: bool


def choose_round(situation: Situation, owner: AccountOwner) -> Choice:
    """The round for a new proposal of ``owner``."""
    rules, round_ = situation.rules, situation.current
    while situation.is_taken(round_) or (round_.is_fast and situation.skip_fast):
        following = rules.next_round(round_)
        if following is None or not (round_.is_fast or round_.is_multi_leader):
            return _wait(situation, "another block is proposed in the current round")
        round_ = following
    if may_propose(rules, owner, round_):
        return ProposeIn(round_)
    return _wait(situation, f"the owner does not lead the {round_}")


def _wait(situation: Situation, reason: str) -> Choice:
    if situation.deadline is None:
        return Impossible(f"{reason}, and the {situation.current} never times out")
    return WaitUntil(situation.deadline)


def may_propose(rules: RoundRules, owner: AccountOwner, round_: Round) -> bool:
    """Whether ``owner`` proposes in a round by this client's convention.

    Super owners wait for their turn in leader rounds, although validators would let them propose;
    where a round can have no leader, they need not.
    """
    ownership = rules.ownership
    if round_.is_fast:
        return owner in ownership.super_owners
    if round_.is_multi_leader:
        return ownership.open_multi_leader_rounds or ownership.is_owner(owner)
    leader = rules.leader(round_)
    return owner == leader if leader is not None else owner in ownership.super_owners
