"""Choosing a round (spec 07 §8)."""

import pytest

from catenula.base.identifiers import AccountOwner
from catenula.base.integers import U32, BlockHeight, TimeDelta, Timestamp
from catenula.chain.ownership_rules import RoundRules
from catenula.client.rounds import Choice, Impossible, ProposeIn, Situation, WaitUntil, choose_round
from catenula.protocol import ChainOwnership, Round, TimeoutConfig
from tests.client.fakes import committee_of
from tests.client.world import owner

ALICE, BOB, EVE = owner(1), owner(2), owner(3)
DEADLINE = Timestamp(77)
FAST, FIRST = Round.FAST, Round.multi_leader(0)
SHARED = ChainOwnership.multiple((ALICE, BOB))


def choose(
    ownership: ChainOwnership,
    current: Round,
    who: AccountOwner = ALICE,
    *,
    taken: tuple[Round, ...] = (),
    deadline: Timestamp | None = None,
) -> Choice:
    """The choice; the fast round counts as skipped when it is taken."""
    rules = RoundRules(ownership, BlockHeight(4), committee_of(1, 1, 1, 1))
    return choose_round(
        Situation(rules, current, deadline, lambda round_: round_ in taken, FAST in taken), who
    )


def leaders(ownership: ChainOwnership, round_: Round) -> AccountOwner | None:
    return RoundRules(ownership, BlockHeight(4), committee_of(1, 1, 1, 1)).leader(round_)


def test_an_owner_proposes_in_the_current_multi_leader_round() -> None:
    assert choose(SHARED, FIRST) == ProposeIn(FIRST)


def test_another_proposal_moves_to_the_next_multi_leader_round() -> None:
    assert choose(SHARED, FIRST, taken=(FIRST,)) == ProposeIn(Round.multi_leader(1))


def test_after_the_last_multi_leader_round_the_leader_proposes() -> None:
    last = Round.multi_leader(4)
    leader = leaders(SHARED, Round.single_leader(0))
    other = BOB if leader == ALICE else ALICE
    assert leader is not None
    assert choose(SHARED, last, leader, taken=(last,)) == ProposeIn(Round.single_leader(0))
    waits = choose(SHARED, last, other, taken=(last,), deadline=DEADLINE)
    assert waits == WaitUntil(DEADLINE)


def test_in_a_leader_round_the_leader_proposes_once() -> None:
    round_ = Round.single_leader(3)
    leader = leaders(SHARED, round_)
    assert leader is not None
    assert choose(SHARED, round_, leader) == ProposeIn(round_)
    again = choose(SHARED, round_, leader, taken=(round_,), deadline=DEADLINE)
    assert again == WaitUntil(DEADLINE)


def test_without_a_deadline_waiting_is_hopeless() -> None:
    round_ = Round.single_leader(3)
    assert isinstance(choose(SHARED, round_, EVE), Impossible)


def test_a_stranger_proposes_only_where_rounds_are_open() -> None:
    assert isinstance(choose(SHARED, FIRST, EVE), Impossible)
    open_to_all = SHARED.replace(open_multi_leader_rounds=True)
    assert choose(open_to_all, FIRST, EVE) == ProposeIn(FIRST)


@pytest.mark.parametrize("multi_leader_rounds", [0, 5])
def test_a_super_owner_skips_the_fast_round_when_told(multi_leader_rounds: int) -> None:
    shape = ChainOwnership.single_super(ALICE).replace(multi_leader_rounds=U32(multi_leader_rounds))
    assert choose(shape, FAST) == ProposeIn(FAST)
    following = FIRST if multi_leader_rounds else Round.single_leader(0)
    assert choose(shape, FAST, taken=(FAST,)) == ProposeIn(following)


def test_a_regular_owner_waits_for_the_fast_round_to_end() -> None:
    shape = ChainOwnership(
        super_owners=(ALICE,),
        owners=SHARED.owners,
        multi_leader_rounds=U32(5),
        timeout_config=TimeoutConfig(fast_round_duration=TimeDelta(10)),
    )
    assert choose(shape, FAST, BOB, deadline=DEADLINE) == WaitUntil(DEADLINE)


def test_validators_lead_public_chains() -> None:
    public = ChainOwnership(timeout_config=TimeoutConfig(fallback_duration=TimeDelta(0)))
    round_ = Round.validator(0)
    leader = leaders(public, round_)
    assert leader is not None
    assert choose(public, round_, leader) == ProposeIn(round_)
    assert choose(public, round_, EVE, deadline=DEADLINE) in (
        WaitUntil(DEADLINE),
        ProposeIn(round_),
    )
