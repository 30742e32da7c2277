"""Which owner leads a round: the pseudo-random, weighted choice of spec 05 §6.5.

The choice is part of consensus: every node with the same height, owners and weights finds the same
leader. Everything here is pure arithmetic on integers of fixed width; the generator is ChaCha8
seeded by eight steps of PCG32, the weights are sampled through an alias table.
"""

from collections.abc import Iterator, Sequence

from catenula.base.chacha import LEADER_DOUBLE_ROUNDS, keystream
from catenula.base.integers import U64_MAX

_WORD_MASK = 0xFFFF_FFFF


class LeaderDistribution:
    """The alias table over a fixed, sorted list of weights.

    Only `of` creates one: it says None where the protocol knows no leader.
    """

    __slots__ = ("_aliases", "_odds", "total")

    def __init__(self, odds: Sequence[int], aliases: Sequence[int], total: int) -> None:
        self._odds = odds
        self._aliases = aliases
        self.total = total

    @classmethod
    def of(cls, weights: Sequence[int]) -> "LeaderDistribution | None":
        """The table of the weights; None if empty, all zero, or one is too large to be scaled."""
        count = len(weights)
        total = sum(weights)
        if not count or not total or max(weights) > U64_MAX // count:
            return None
        odds = [weight * count for weight in weights]
        aliases = list(range(count))
        small = [index for index, odd in enumerate(odds) if odd < total]
        big = [index for index, odd in enumerate(odds) if odd >= total]
        while small and big:
            lesser, greater = small.pop(), big.pop()
            aliases[lesser] = greater
            odds[greater] += odds[lesser] - total
            (small if odds[greater] < total else big).append(greater)
        for index in small + big:
            odds[index] = total
        return cls(odds, aliases, total)

    @property
    def table(self) -> tuple[tuple[int, int], ...]:
        """The (odds, alias) pairs, for inspection."""
        return tuple(zip(self._odds, self._aliases, strict=True))

    def leader(self, round_number: int, seed: int) -> int:
        """The index of the owner that leads round ``round_number`` at height ``seed``."""
        words = keystream(((round_number << 32) + seed) & U64_MAX, LEADER_DOUBLE_ROUNDS)
        candidate = _uniform_32(words, len(self._odds))
        if _uniform_64(words, self.total) < self._odds[candidate]:
            return candidate
        return self._aliases[candidate]


def _uniform_32(words: Iterator[int], limit: int) -> int:
    """A number below ``limit`` by widening multiplication; the biased tail is rejected."""
    zone = _WORD_MASK - (2**32 - limit) % limit
    while True:
        product = next(words) * limit
        if product & _WORD_MASK <= zone:
            return product >> 32


def _uniform_64(words: Iterator[int], limit: int) -> int:
    """As `_uniform_32`, from two words, low word first."""
    zone = U64_MAX - (2**64 - limit) % limit
    while True:
        low = next(words)
        product = (next(words) << 32 | low) * limit
        if product & U64_MAX <= zone:
            return product >> 64
