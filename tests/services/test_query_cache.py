"""The cache of applications' answers: what it keeps, and what it must not keep."""

import pytest

from catenula.base.identifiers import ApplicationId, ChainId
from catenula.base.limits import MAX_CACHED_ANSWER_BYTES
from catenula.services.node import query_cache
from catenula.services.node.query_cache import QueryCache

APPLICATION = ApplicationId(bytes(32))


def chain(number: int) -> ChainId:
    return ChainId(number.to_bytes(32, "big"))


def keep(cache: QueryCache, chain_id: ChainId, query: bytes, answer: bytes = b"answer") -> None:
    generation = cache.generation(chain_id)
    cache.put(chain_id, APPLICATION, query, answer=answer, generation=generation)


def test_answers_are_kept_until_the_chain_has_a_block() -> None:
    cache = QueryCache(2)
    keep(cache, chain(1), b"one")
    keep(cache, chain(2), b"one")
    assert cache.get(chain(1), APPLICATION, b"one") == b"answer"
    cache.forget(chain(1))
    assert cache.get(chain(1), APPLICATION, b"one") is None
    assert cache.get(chain(2), APPLICATION, b"one") == b"answer"


def test_the_answers_used_last_are_kept() -> None:
    cache = QueryCache(2)
    keep(cache, chain(1), b"one")
    keep(cache, chain(1), b"two")
    cache.get(chain(1), APPLICATION, b"one")
    keep(cache, chain(1), b"three")
    assert cache.get(chain(1), APPLICATION, b"two") is None
    assert cache.get(chain(1), APPLICATION, b"one") == b"answer"


def test_an_answer_from_before_a_block_is_not_kept() -> None:
    cache = QueryCache(2)
    generation = cache.generation(chain(1))
    cache.forget(chain(1))
    cache.put(chain(1), APPLICATION, b"one", answer=b"old", generation=generation)
    assert cache.get(chain(1), APPLICATION, b"one") is None


def test_a_chain_that_was_forgotten_while_it_was_asked_takes_no_old_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(query_cache, "MAX_CACHED_QUERY_CHAINS", 2)
    cache = QueryCache(2)
    generation = cache.generation(chain(1))
    for number in range(2, 5):
        keep(cache, chain(number), b"one")
    cache.forget(chain(1))
    cache.generation(chain(1))
    cache.put(chain(1), APPLICATION, b"one", answer=b"old", generation=generation)
    assert cache.get(chain(1), APPLICATION, b"one") is None
    assert cache.get(chain(2), APPLICATION, b"one") is None
    assert cache.get(chain(4), APPLICATION, b"one") == b"answer"


def test_large_answers_are_not_kept_and_size_0_keeps_none() -> None:
    cache = QueryCache(2)
    keep(cache, chain(1), b"one", bytes(MAX_CACHED_ANSWER_BYTES + 1))
    assert cache.get(chain(1), APPLICATION, b"one") is None
    off = QueryCache(0)
    keep(off, chain(1), b"one")
    assert off.get(chain(1), APPLICATION, b"one") is None
