"""The ChaCha stream seeded from 64 bits: leaders of rounds, and keys of deterministic tests.

Eight steps of PCG32 expand the seed to a key (spec 05 §6.5). Pure arithmetic on integers of fixed
width; never a source of secrets for anything but tests, whose seed everybody may know.
"""

from collections.abc import Iterator, Sequence

from catenula.base.integers import U64_MAX

LEADER_DOUBLE_ROUNDS = 4
"""ChaCha8: the generator that chooses leaders."""

_TEST_DOUBLE_ROUNDS = 6

_WORD_MASK = 0xFFFF_FFFF
_WORD_BYTES = 4
_PCG_MULTIPLIER = 6364136223846793005
_PCG_INCREMENT = 11634580027462260723
_SEED_WORDS = 8
_CONSTANTS = (0x61707865, 0x3320646E, 0x79622D32, 0x6B206574)
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


def keystream(seed: int, double_rounds: int) -> Iterator[int]:
    """The endless word stream of a 64-bit seed."""
    key = _seed_words(seed)
    counter = 0
    while True:
        yield from _block(key, counter, double_rounds)
        counter = (counter + 1) & U64_MAX


class SeededRandom:
    """Random bytes that a seed determines, as ``--testing-prng-seed`` of the reference (ChaCha12).

    The same seed and the same order of calls give the keys that the reference's tools give. Use as
    a `RandomBytes`; for tests only.
    """

    def __init__(self, seed: int) -> None:
        """``seed``: 0…2^64-1."""
        self._words = keystream(seed, _TEST_DOUBLE_ROUNDS)

    def __call__(self, count: int) -> bytes:
        """The next bytes; a part of a word that is left over is lost, as in the reference."""
        words = -(-count // _WORD_BYTES)
        drawn = b"".join(next(self._words).to_bytes(_WORD_BYTES, "little") for _ in range(words))
        return drawn[:count]

    def next_seed(self) -> int:
        """The number that a key store writes down after each new key, to go on from there."""
        return int.from_bytes(self(2 * _WORD_BYTES), "little")


def _seed_words(seed: int) -> tuple[int, ...]:
    """The eight key words that PCG32 (XSH-RR) expands from a 64-bit seed."""
    state = seed
    words = []
    for _ in range(_SEED_WORDS):
        state = (state * _PCG_MULTIPLIER + _PCG_INCREMENT) & U64_MAX
        shifted = (((state >> 18) ^ state) >> 27) & _WORD_MASK
        turn = state >> 59
        words.append((shifted >> turn | shifted << (32 - turn)) & _WORD_MASK)
    return tuple(words)


def _block(key: Sequence[int], counter: int, double_rounds: int) -> list[int]:
    """One block of sixteen keystream words."""
    initial = [*_CONSTANTS, *key, counter & _WORD_MASK, counter >> 32, 0, 0]
    state = list(initial)
    for _ in range(double_rounds):
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
