"""Which owner leads a round: the pseudo-random, weighted choice of spec 05 §6.5.

The choice is part of consensus: every node with the same height, owners and weights finds the same
leader. Everything here is pure arithmetic on integers of fixed width; the generator is ChaCha8
seeded by eight steps of PCG32, the weights are sampled through an alias table.
"""

from collections.abc import Iterator, Sequence

from catenula.base.integers import U64_MAX

_WORD_MASK = 0xFFFF_FFFF
_PCG_MULTIPLIER = 6364136223846793005
_PCG_INCREMENT = 11634580027462260723
_SEED_WORDS = 8
_CHACHA_CONSTANTS = (0x61707865, 0x3320646E, 0x79622D32, 0x6B206574)
_CHACHA_DOUBLE_ROUNDS = 4
_QUARTER_ROUNDS = (
    (0, 4, 8, 12),
    (1, 5, 9, 13),
    (2, 6, 10, 14),
    (3, 7, 11, 15),
    (0, 5, 10, 15),
    (1, 6, 11, 12),
    (2, 7, 8, 13),
    (3, 4, 9, 14),
)


def seed_words(seed: int) -> tuple[int, ...]:
    """The eight key words that PCG32 (XSH-RR) expands from a 64-bit seed."""
    state = seed
    words = []
    for _ in range(_SEED_WORDS):
        state = (state * _PCG_MULTIPLIER + _PCG_INCREMENT) & U64_MAX
        shifted = (((state >> 18) ^ state) >> 27) & _WORD_MASK
        turn = state >> 59
        words.append((shifted >> turn | shifted << (32 - turn)) & _WORD_MASK)
    return tuple(words)


def chacha8_block(key: Sequence[int], counter: int) -> list[int]:
    """One block of sixteen ChaCha8 keystream words."""
    initial = [*_CHACHA_CONSTANTS, *key, counter & _WORD_MASK, counter >> 32, 0, 0]
    state = list(initial)
    for _ in range(_CHACHA_DOUBLE_ROUNDS):
        for quarter in _QUARTER_ROUNDS:
            _quarter_round(state, *quarter)
    return [(word + start) & _WORD_MASK for word, start in zip(state, initial, strict=True)]


def _quarter_round(state: list[int], *positions: int) -> None:
    """Mix four words in place: two add-xor-rotate passes with the rotations 16, 12 and 8, 7."""
    first, second, third, fourth = (state[position] for position in positions)
    for left, right in ((16, 12), (8, 7)):
        first = (first + second) & _WORD_MASK
        fourth ^= first
        fourth = (fourth << left | fourth >> (32 - left)) & _WORD_MASK
        third = (third + fourth) & _WORD_MASK
        second ^= third
        second = (second << right | second >> (32 - right)) & _WORD_MASK
    for position, word in zip(positions, (first, second, third, fourth), strict=True):
        state[position] = word


def keystream(seed: int) -> Iterator[int]:
    """The endless ChaCha8 word stream of a 64-bit seed."""
    key = seed_words(seed)
    counter = 0
    while True:
        yield from chacha8_block(key, counter)
        counter = (counter + 1) & U64_MAX


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
        words = keystream(((round_number << 32) + seed) & U64_MAX)
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
