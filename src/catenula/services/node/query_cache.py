"""Answers of applications that need not be computed again until their chain has a new block."""

from collections import OrderedDict

from catenula.base.identifiers import ApplicationId, ChainId
from catenula.base.limits import MAX_CACHED_ANSWER_BYTES

_Key = tuple[ApplicationId, bytes]


class _Chain:
    """The answers of one chain, the least recently used first."""

    __slots__ = ("answers", "generation")

    def __init__(self) -> None:
        self.answers: OrderedDict[_Key, bytes] = OrderedDict()
        self.generation = 0


class QueryCache:
    """At most ``size`` answers per chain; 0 keeps none."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._chains: dict[ChainId, _Chain] = {}

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
        """Grows with each block of the chain; to be read before an answer is computed."""
        if not self._size:
            return 0
        return self._chains.setdefault(chain_id, _Chain()).generation

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
            chain.generation += 1
