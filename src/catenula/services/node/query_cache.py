"""Answers of applications that need not be computed again until their chain has a new block."""

import itertools
from collections import OrderedDict

from catenula.base.identifiers import ApplicationId, ChainId
from catenula.base.limits import MAX_CACHED_ANSWER_BYTES, MAX_CACHED_QUERY_CHAINS

_Key = tuple[ApplicationId, bytes]


class _Chain:
    """The answers of one chain, the least recently used first."""

    __slots__ = ("answers", "generation")

    def __init__(self, generation: int) -> None:
        self.answers: OrderedDict[_Key, bytes] = OrderedDict()
        self.generation = generation


class QueryCache:
    """At most ``size`` answers per chain, of the chains asked last; 0 keeps none.

    Generations are never used twice, so that a chain may be forgotten while it is asked.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._chains: OrderedDict[ChainId, _Chain] = OrderedDict()
        self._generations = itertools.count(1)

    def get(self, chain_id: ChainId, application_id: ApplicationId, query: bytes) -> bytes | None:
        """A cached answer, or None."""
        chain = self._chains.get(chain_id)
        if chain is None:
            return None
        key = (application_id, query)
        answer = chain.answers.get(key)
        if answer is not None:
            chain.answers.move_to_end(key)
        return answer

    def generation(self, chain_id: ChainId) -> int:
        """Changes with each block of the chain; to be read before an answer is computed."""
        if not self._size:
            return 0
        chain = self._chains.get(chain_id)
        if chain is None:
            chain = self._chains[chain_id] = _Chain(next(self._generations))
            if len(self._chains) > MAX_CACHED_QUERY_CHAINS:
                self._chains.popitem(last=False)
        self._chains.move_to_end(chain_id)
        return chain.generation

    def put(
        self,
        chain_id: ChainId,
        application_id: ApplicationId,
        query: bytes,
        *,
        answer: bytes,
        generation: int,
    ) -> None:
        """Keep an answer, unless the chain has got a block since `generation` was read."""
        chain = self._chains.get(chain_id)
        if chain is None or chain.generation != generation:
            return
        if max(len(query), len(answer)) > MAX_CACHED_ANSWER_BYTES:
            return
        chain.answers[application_id, query] = answer
        if len(chain.answers) > self._size:
            chain.answers.popitem(last=False)

    def forget(self, chain_id: ChainId) -> None:
        """The chain has a new block."""
        chain = self._chains.get(chain_id)
        if chain is not None:
            chain.answers.clear()
            chain.generation = next(self._generations)
