"""Answers that recorded validators got from the world outside.

A block that asks the network over HTTP can be executed again only with the answers of then. They
are in the final block; a proposal gets those of the block that it became.
"""

from collections import deque

from catenula.base.codec import codec_of
from catenula.base.integers import Timestamp
from catenula.conformance.history import RecordedRun
from catenula.execution.environment import HttpRequest
from catenula.execution.errors import ExecutionError
from catenula.protocol import BlockProposal, HttpResponse, OracleHttp, ProposedBlock
from catenula.worker.environment import ClosedOracles

_PROPOSED = codec_of(ProposedBlock)


class RecordedAnswers:
    """The HTTP answers of a run, by the proposal that got them."""

    def __init__(self, run: RecordedRun) -> None:
        self._answers: dict[bytes, tuple[HttpResponse, ...]] = {}
        self._waiting: deque[HttpResponse] = deque()
        for recorded in run.blocks:
            block = recorded.block()
            answers = tuple(
                response.response
                for responses in block.body.oracle_responses
                for response in responses
                if isinstance(response, OracleHttp)
            )
            if answers:
                self._answers[_PROPOSED.to_bcs(block.proposed)] = answers

    def prepare(self, request: object) -> None:
        """Have the answers for this request at hand, if it is a proposal that got any."""
        found: tuple[HttpResponse, ...] = ()
        if isinstance(request, BlockProposal):
            found = self._answers.get(_PROPOSED.to_bcs(request.content.block), ())
        self._waiting = deque(found)

    def oracles(self, now: Timestamp) -> "RecordedOracles":
        """Oracles of one request."""
        return RecordedOracles(now, self._waiting)


class RecordedOracles(ClosedOracles):
    """Oracles that answer HTTP requests in the recorded order; there is no answer to others."""

    def __init__(self, now: Timestamp, answers: deque[HttpResponse]) -> None:
        super().__init__(now)
        self._answers = answers

    def http_request(
        self, request: HttpRequest, *, timeout_ms: int, maximum_bytes: int
    ) -> HttpResponse:
        """The next recorded answer; without one, the request fails as if nobody were there."""
        if not self._answers:
            raise ExecutionError("ReqwestError", reason="no answer is recorded", url=request.url)
        return self._answers.popleft()
