"""What applications may ask of the world, in two forms (design §3 rule 1).

`LoopOracles` are those of a request that runs on the event loop: everything that takes long ends in
`NeedsThread`, and so does guest code after a short while. `ThreadOracles` are those of a request
that runs on a thread of its own: they perform HTTP requests and let guest code run up to limits.
Which of the two a request met must not make a difference to its outcome.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from time import monotonic

from catenula.base.errors import LocalError
from catenula.base.integers import U16, Timestamp
from catenula.base.limits import (
    LOOP_GUEST_SECONDS,
    MAX_APPLICATION_LOG_CHARACTERS,
    MAX_APPLICATION_LOG_LINES,
)
from catenula.execution.environment import HttpRequest, NeedsThread
from catenula.execution.errors import ExecutionError, runtime_limit
from catenula.protocol import HttpHeader, HttpResponse
from catenula.transport.http_client import HttpCall, HttpFailed, HttpTooLarge, exchange

LogSink = Callable[[str, int], None]
"""Takes a line that an application logs, and its level: 0 (error) to 4 (trace)."""


class LoopOracles:
    """Oracles of a request on the event loop."""

    __slots__ = ("_now", "_running_since", "_sink")

    def __init__(self, now: Timestamp, sink: LogSink | None = None) -> None:
        self._now, self._sink = now, sink
        self._running_since = 0.0

    def local_time(self) -> Timestamp:
        """The time of the request."""
        return self._now

    def http_request(
        self, request: HttpRequest, *, timeout_ms: int, maximum_bytes: int
    ) -> HttpResponse:
        """Takes long: see `NeedsThread`."""
        raise NeedsThread

    def run_service(self, query: Callable[[], bytes], *, limit_ms: int) -> tuple[bytes, int]:
        """Run the query here, as long as everything together stays short."""
        return _timed(query)

    def expect_delay(self, what: str) -> None:
        """Takes long: see `NeedsThread`."""
        raise NeedsThread

    def time_is_up(self) -> bool:
        """Whether guests have run here for long enough; first asked when one has run a little."""
        now = monotonic()
        if not self._running_since:
            self._running_since = now
        return now - self._running_since > LOOP_GUEST_SECONDS

    def interruption(self) -> Exception:
        """Not an error: see `NeedsThread`."""
        return NeedsThread()

    def log(self, message: str, level: int) -> None:
        """Hand the line on."""
        if self._sink is not None:
            self._sink(message, level)


class ThreadOracles:
    """Oracles of a request on a thread of its own.

    ``seconds`` is how long guests may run before one is ended; then the next one has as long again,
    so that a message that runs for ever does not take others with it. None: as long as it takes.
    HTTP requests are made in ``loop``. `stop` may be called from any thread.
    """

    def __init__(
        self,
        now: Timestamp,
        loop: asyncio.AbstractEventLoop,
        *,
        seconds: float | None,
        sink: LogSink | None = None,
    ) -> None:
        self._now, self._loop, self._seconds, self._sink = now, loop, seconds, sink
        self._deadline = _after(seconds)
        self._service_deadline: float | None = None
        self._http: Future[HttpResponse] | None = None
        self._stopped: str | None = None

    def stop(self, why: str) -> None:
        """End whatever runs with a `LocalError`; it does not wait for that."""
        self._stopped = why
        http = self._http
        if http is not None:
            http.cancel()

    def local_time(self) -> Timestamp:
        """The time of the request."""
        return self._now

    def http_request(
        self, request: HttpRequest, *, timeout_ms: int, maximum_bytes: int
    ) -> HttpResponse:
        """Perform the request and wait for it (spec 04 §8.6); redirections are followed."""
        seconds = timeout_ms / 1000
        work = http_response(request, seconds=seconds, maximum_bytes=maximum_bytes)
        self._http = http = asyncio.run_coroutine_threadsafe(work, self._loop)
        if self._stopped is not None:
            http.cancel()
        try:
            return http.result()
        except CancelledError as error:
            raise self._stop_error() from error
        finally:
            self._http = None

    def run_service(self, query: Callable[[], bytes], *, limit_ms: int) -> tuple[bytes, int]:
        """Run the query; it is ended after ``limit_ms``."""
        self._service_deadline = monotonic() + limit_ms / 1000
        try:
            return _timed(query)
        finally:
            self._service_deadline = None

    def expect_delay(self, what: str) -> None:
        """Nobody else waits here."""

    def time_is_up(self) -> bool:
        """Whether a limit has passed, or the node stops."""
        if self._stopped is not None:
            return True
        now = monotonic()
        return now > self._deadline or (
            self._service_deadline is not None and now > self._service_deadline
        )

    def interruption(self) -> Exception:
        """The error for the limit that has passed."""
        if self._stopped is not None:
            return self._stop_error()
        if self._service_deadline is not None and monotonic() > self._service_deadline:
            return runtime_limit("MaximumServiceOracleExecutionTimeExceeded")
        self._deadline = _after(self._seconds)
        return ExecutionError("MaximumExecutionTimeExceeded", seconds=self._seconds)

    def log(self, message: str, level: int) -> None:
        """Hand the line on."""
        if self._sink is not None:
            self._sink(message, level)

    def _stop_error(self) -> LocalError:
        return LocalError(
            f"the execution was ended: {self._stopped or 'cancelled'}", retryable=True
        )


class ApplicationLog:
    """The last lines that applications have logged on a node, and whoever wants to hear them."""

    def __init__(self, listener: LogSink | None = None) -> None:
        self.lines: deque[tuple[int, str]] = deque(maxlen=MAX_APPLICATION_LOG_LINES)
        self.listener = listener

    def __call__(self, message: str, level: int) -> None:
        """Take a line; a long one is cut."""
        message = message[:MAX_APPLICATION_LOG_CHARACTERS]
        self.lines.append((level, message))
        if self.listener is not None:
            self.listener(message, level)


async def http_response(
    request: HttpRequest, *, seconds: float, maximum_bytes: int
) -> HttpResponse:
    """The answer to an application's request; `ExecutionError` as spec 04 §8.6 names them."""
    headers = tuple((header.name, header.value) for header in request.headers)
    call = HttpCall(request.method, request.url, headers, request.body)
    try:
        reply = await exchange(call, seconds=seconds, max_bytes=maximum_bytes, follows=True)
    except HttpTooLarge as error:
        raise ExecutionError(
            "HttpResponseSizeLimitExceeded", limit=error.limit, size=error.size
        ) from error
    except HttpFailed as error:
        raise ExecutionError("ReqwestError", url=request.url, reason=str(error)) from error
    answered = tuple(HttpHeader(name, value) for name, value in reply.headers)
    return HttpResponse(U16(reply.status), answered, bytes(reply.body))


def _timed(query: Callable[[], bytes]) -> tuple[bytes, int]:
    started = monotonic()
    response = query()
    return response, int((monotonic() - started) * 1000)


def _after(seconds: float | None) -> float:
    return float("inf") if seconds is None else monotonic() + seconds
