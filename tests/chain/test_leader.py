"""The leader choice of spec 05 §6.5, with the vectors of the text."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenula.base.chacha import LEADER_DOUBLE_ROUNDS, keystream
from catenula.base.integers import U64_MAX
from catenula.chain.leader import LeaderDistribution


@pytest.mark.parametrize(
    ("weights", "seed", "leaders"),
    [
        ([100, 100], 0, [1, 1, 1, 1, 1, 0, 1, 1, 1, 0]),
        ([100, 100], 1, [1, 0, 1, 1, 1, 1, 0, 0, 1, 1]),
        ([100, 100], 12345, [1, 1, 0, 1, 0, 0, 0, 0, 1, 0]),
        ([100, 50, 25], 1, [0, 0, 1, 0, 0, 0, 1, 0, 0, 2]),
        ([1, 1, 1, 1], 0, [2, 3, 3, 3, 3, 0, 2, 2, 3, 1]),
        ([10, 20, 30, 40], 12345, [2, 2, 1, 2, 1, 3, 3, 1, 2, 1]),
        ([7, 13, 0, 29, 3], 2**64 - 1, [3, 3, 3, 3, 3, 0, 3, 1, 4, 3]),
    ],
)
def test_leaders_of_the_specification(weights: list[int], seed: int, leaders: list[int]) -> None:
    distribution = LeaderDistribution.of(weights)
    assert distribution is not None
    assert [distribution.leader(number, seed) for number in range(10)] == leaders


def test_keystream_of_the_specification() -> None:
    words = list(islice(keystream(0, LEADER_DOUBLE_ROUNDS), 4))
    assert words == [2811902828, 3045455719, 3134767159, 2001118559]


def test_alias_table_of_the_specification() -> None:
    distribution = LeaderDistribution.of([10, 20, 30, 40])
    assert distribution is not None
    assert distribution.total == 100
    odds_and_aliases = distribution.table
    assert [odds for odds, _ in odds_and_aliases] == [40, 80, 100, 80]
    assert [odds_and_aliases[index][1] for index in (0, 1, 3)] == [3, 3, 2]


@pytest.mark.parametrize("weights", [[], [0], [0, 0, 0], [U64_MAX, 1], [U64_MAX // 2 + 1, 0]])
def test_no_leader_exists(weights: list[int]) -> None:
    assert LeaderDistribution.of(weights) is None


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=8).filter(any),
    st.integers(0, U64_MAX),
    st.integers(0, 2**32 - 1),
)
def test_owners_without_weight_never_lead(weights: list[int], seed: int, number: int) -> None:
    """Invariant C18."""
    distribution = LeaderDistribution.of(weights)
    assert distribution is not None
    assert weights[distribution.leader(number, seed)] > 0
