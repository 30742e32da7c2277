"""Everything the public port answers, by HTTP path: the validator's methods, health, reflection.

Both protocols of the port (native gRPC, gRPC-Web) call the same endpoints. An endpoint raises
`CallStatus` and nothing else: a bug in what it calls is logged here and becomes INTERNAL.
"""

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import NamedTuple, Protocol

from catenula.base.limits import MAX_MESSAGE_BYTES
from catenula.transport.calls import METHODS, CallStatus, MethodKind, StatusCode
from catenula.transport.public_service import PublicService, close

_log = logging.getLogger(__name__)

UnaryCall = Callable[[bytes], Awaitable[bytes]]
StreamCall = Callable[[bytes], AsyncIterator[bytes]]
Conversation = Callable[[AsyncIterator[bytes]], AsyncIterator[bytes]]


class FinishedCall(NamedTuple):
    """One call that has ended; ``response_bytes`` and ``answers`` count what was answered."""

    method: str
    seconds: float
    code: StatusCode
    request_bytes: int
    response_bytes: int


class CallObserver(Protocol):
    """Hears of every call that ends; must not block or raise."""

    def call_finished(self, call: FinishedCall, response: bytes | None) -> None:
        """A call has ended; ``response`` is the answer of a unary call that succeeded."""
        ...


class Endpoint(NamedTuple):
    """How one path is answered; exactly one of these is set."""

    unary: UnaryCall | None = None
    stream: StreamCall | None = None
    """One request, any number of answers, for a long time perhaps."""
    conversation: Conversation | None = None
    """Any number of both."""


Endpoints = Mapping[str, Endpoint]


def method_endpoints(
    service: PublicService, observer: CallObserver | None = None
) -> dict[str, Endpoint]:
    """The endpoints of the validator's own methods."""
    found: dict[str, Endpoint] = {}
    for name, method in METHODS.items():
        if method.kind is MethodKind.STREAM:
            found[method.path] = Endpoint(stream=_stream(service, name, observer))
        else:
            found[method.path] = Endpoint(unary=_unary(service, name, observer))
    return found


def _unary(service: PublicService, method: str, observer: CallObserver | None) -> UnaryCall:
    async def plain(request: bytes) -> bytes:
        _check_size(request, "request")
        try:
            response = await service.unary(method, request)
        except CallStatus:
            raise
        except Exception as error:
            raise bug(method, error) from error
        _check_size(response, "response")
        return response

    if observer is None:
        return plain

    async def observed(request: bytes) -> bytes:
        start = time.perf_counter()
        code, response = StatusCode.CANCELLED, None
        try:
            response = await plain(request)
            code = StatusCode.OK
            return response
        except CallStatus as status:
            code = status.code
            raise
        finally:
            seconds, size = time.perf_counter() - start, len(response or b"")
            observer.call_finished(
                FinishedCall(method, seconds, code, len(request), size), response
            )

    return observed


def _stream(service: PublicService, method: str, observer: CallObserver | None) -> StreamCall:
    async def call(request: bytes) -> AsyncIterator[bytes]:
        start, size, code = time.perf_counter(), 0, StatusCode.CANCELLED
        answers = service.stream(method, request)
        try:
            _check_size(request, "request")
            async for answer in answers:
                _check_size(answer, "response")
                size += len(answer)
                yield answer
            code = StatusCode.OK
        except CallStatus as status:
            code = status.code
            raise
        except Exception as error:
            code = StatusCode.INTERNAL
            raise bug(method, error) from error
        finally:
            await close(answers)
            if observer is not None:
                seconds = time.perf_counter() - start
                call = FinishedCall(method, seconds, code, len(request), size)
                observer.call_finished(call, None)

    return call


def bug(method: str, error: Exception) -> CallStatus:
    """The status of a call that hit a bug, which is logged."""
    _log.error("%s failed with an unexpected error", method, exc_info=error)
    return CallStatus(StatusCode.INTERNAL, "internal error of the validator")


def _check_size(message: bytes, what: str) -> None:
    if len(message) > MAX_MESSAGE_BYTES:
        raise CallStatus(
            StatusCode.OUT_OF_RANGE,
            f"the {what} has {len(message)} bytes, the limit is {MAX_MESSAGE_BYTES}",
        )
