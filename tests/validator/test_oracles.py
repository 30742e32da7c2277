"""HTTP requests of applications (spec 04 §8.6), and the limits of guests."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from catenula.base.errors import LocalError
from catenula.base.integers import Timestamp
from catenula.execution.environment import HttpRequest, NeedsThread
from catenula.execution.errors import ExecutionError
from catenula.protocol import HttpHeader, HttpResponse
from catenula.validator import oracles
from catenula.validator.oracles import LoopOracles, ThreadOracles, http_response
from tests.validator.http_server import HttpServer, answered, http_server

NOW = Timestamp(7)


def get(
    url: str, *headers: tuple[str, bytes], method: str = "GET", body: bytes = b""
) -> HttpRequest:
    return HttpRequest(method, url, tuple(HttpHeader(*header) for header in headers), body)


def answer(
    ask: Callable[[HttpServer], HttpRequest], *, limit: int = 10_000, **answers: bytes
) -> tuple[HttpResponse, list[bytes]]:
    """The response to a request, and what the server was asked."""

    async def main() -> tuple[HttpResponse, list[bytes]]:
        async with http_server(**answers) as server:
            found = await http_response(ask(server), seconds=5, maximum_bytes=limit)
            return found, server.asked

    return asyncio.run(main())


def refusal(ask: Callable[[HttpServer], HttpRequest], **options: Any) -> ExecutionError:
    with pytest.raises(ExecutionError) as refused:
        answer(ask, **options)
    return refused.value


def test_status_headers_and_body_come_as_they_were_sent() -> None:
    sent = answered(b"\x00\xff", "418 Odd", "X-Second: 2", "X-First: 1", "X-Second: 3")
    answers: dict[str, Any] = {"a?b=c%20d": sent}
    found, asked = answer(lambda server: get(server.url("/a?b=c d")), **answers)
    assert found.status == 418
    assert found.body == b"\x00\xff"
    # Names in lower case; headers of one name stand together where the first one stood.
    assert [(header.name, header.value) for header in found.headers] == [
        ("x-second", b"2"),
        ("x-second", b"3"),
        ("x-first", b"1"),
        ("content-length", b"2"),
    ]
    assert asked[0].startswith(b"GET /a?b=c%20d HTTP/1.1\r\nhost: 127.0.0.1:")


def test_a_request_carries_its_headers_and_body() -> None:
    _, asked = answer(
        lambda server: get(server.url("/a"), ("X-Key", b"\x80v"), method="PUT", body=b"data"),
        a=answered(b""),
    )
    head, _, body = asked[0].partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /a HTTP/1.1\r\n")
    assert b"X-Key: \x80v\r\n" in head
    assert b"content-length: 4" in head
    assert body == b"data"


def test_an_answer_in_chunks_is_put_together() -> None:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    found, _ = answer(lambda server: get(server.url("/a")), a=chunked)
    assert found.body == b"abc"


def test_an_answer_to_head_has_no_body() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n"
    found, _ = answer(lambda server: get(server.url("/a"), method="HEAD"), a=head)
    assert found.body == b""


def test_redirections_are_followed_and_a_post_becomes_a_get() -> None:
    moved = answered(b"", "303 See Other", "location: /b")
    found, asked = answer(
        lambda server: get(server.url("/a"), method="POST", body=b"x"), a=moved, b=answered(b"end")
    )
    assert found.body == b"end"
    assert [line.split(b" ", 1)[0] for line in asked] == [b"POST", b"GET"]
    assert asked[1].endswith(b"\r\n\r\n")


def test_a_redirection_that_keeps_the_method_sends_the_body_again() -> None:
    moved = answered(b"", "307 Temporary Redirect", "location: /b")
    _, asked = answer(
        lambda server: get(server.url("/a"), method="POST", body=b"x"), a=moved, b=answered(b"")
    )
    assert asked[1].startswith(b"POST /b ")
    assert asked[1].endswith(b"\r\n\r\nx")


def test_secrets_stay_with_the_host_they_are_for() -> None:
    async def main() -> bytes:
        async with http_server(b=answered(b"")) as other:
            moved = answered(b"", "302 Found", f"location: {other.url('/b')}")
            async with http_server(a=moved) as first:
                request = get(first.url("/a"), ("Authorization", b"secret"), ("X-Open", b"yes"))
                await http_response(request, seconds=5, maximum_bytes=1000)
            return other.asked[0]

    asked = asyncio.run(main())
    assert b"X-Open: yes" in asked
    assert b"secret" not in asked


def test_redirections_in_a_circle_end() -> None:
    moved = answered(b"", "302 Found", "location: /a")
    error = refusal(lambda server: get(server.url("/a")), a=moved)
    assert error.code == "ReqwestError"
    assert "10 redirections" in error.message()


def test_a_declared_length_beyond_the_limit_is_refused() -> None:
    huge = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"
    error = refusal(lambda server: get(server.url("/a")), a=huge, limit=100)
    assert (error.code, error.fields["limit"]) == ("HttpResponseSizeLimitExceeded", 100)


@pytest.mark.parametrize(("limit", "fits"), [(26, True), (25, False)])
def test_headers_and_body_together_count(limit: int, fits: bool) -> None:
    # "content-length" and "10" are 16 bytes, the body 10.
    small = answered(b"0123456789")
    if fits:
        answer(lambda server: get(server.url("/a")), a=small, limit=limit)
    else:
        error = refusal(lambda server: get(server.url("/a")), a=small, limit=limit)
        assert error.code == "HttpResponseSizeLimitExceeded"


@pytest.mark.parametrize(
    "sent", [b"", b"not http\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"]
)
def test_what_is_no_whole_answer_is_an_error(sent: bytes) -> None:
    assert refusal(lambda server: get(server.url("/a")), a=sent).code == "ReqwestError"


def test_nobody_listening_is_an_error() -> None:
    async def main() -> None:
        async with http_server() as server:
            url = server.url("/a")
        await http_response(get(url), seconds=5, maximum_bytes=100)

    with pytest.raises(ExecutionError, match="ReqwestError"):
        asyncio.run(main())


def test_an_answer_that_does_not_come_in_time_is_an_error() -> None:
    async def main() -> None:
        async with http_server(a=answered(b"")) as server:
            server.let_go.clear()
            await http_response(get(server.url("/a")), seconds=0.05, maximum_bytes=100)

    with pytest.raises(ExecutionError, match=r"no answer within 0\.05 s"):
        asyncio.run(main())


# On the event loop nothing may take long


def test_on_the_loop_a_request_to_the_outside_needs_a_thread() -> None:
    with pytest.raises(NeedsThread):
        LoopOracles(NOW).http_request(get("http://a"), timeout_ms=1, maximum_bytes=1)
    with pytest.raises(NeedsThread):
        LoopOracles(NOW).expect_delay("compiling")


def test_on_the_loop_guests_run_for_a_short_time(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 10.01, 10.2])
    monkeypatch.setattr(oracles, "monotonic", lambda: next(times))
    found = LoopOracles(NOW)
    assert [found.time_is_up() for _ in range(3)] == [False, False, True]
    assert isinstance(found.interruption(), NeedsThread)


# On a thread


def on_thread(test: Callable[[ThreadOracles], Any], seconds: float | None = 60.0) -> Any:
    async def main() -> Any:
        loop = asyncio.get_running_loop()
        return await asyncio.to_thread(test, ThreadOracles(NOW, loop, seconds=seconds))

    return asyncio.run(main())


def test_each_guest_that_is_ended_leaves_the_next_one_as_much_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    time = [100.0]
    monkeypatch.setattr(oracles, "monotonic", lambda: time[0])

    def run(found: ThreadOracles) -> None:
        assert not found.time_is_up()
        time[0] += 61
        assert found.time_is_up()
        error = found.interruption()
        assert isinstance(error, ExecutionError)
        assert error.code == "MaximumExecutionTimeExceeded"
        assert not found.time_is_up()

    on_thread(run)


def test_a_service_has_its_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    time = [100.0]
    monkeypatch.setattr(oracles, "monotonic", lambda: time[0])

    def run(found: ThreadOracles) -> None:
        def query() -> bytes:
            time[0] += 0.2
            assert found.time_is_up()
            raise found.interruption()

        with pytest.raises(ExecutionError, match="MaximumServiceOracleExecutionTimeExceeded"):
            found.run_service(query, limit_ms=100)
        assert not found.time_is_up()

    on_thread(run, None)


def test_a_service_is_timed() -> None:
    response, elapsed_ms = on_thread(lambda found: found.run_service(lambda: b"x", limit_ms=100))
    assert response == b"x"
    assert 0 <= elapsed_ms < 100


def test_stopping_ends_a_request_that_waits() -> None:
    async def main() -> None:
        async with http_server(a=answered(b"")) as server:
            server.let_go.clear()
            found = ThreadOracles(NOW, asyncio.get_running_loop(), seconds=None)
            request = get(server.url("/a"))
            waiting: Awaitable[HttpResponse] = asyncio.to_thread(
                found.http_request, request, timeout_ms=60_000, maximum_bytes=100
            )
            task = asyncio.ensure_future(waiting)
            await server.arrived.wait()
            found.stop("the node stops")
            with pytest.raises(LocalError, match="the node stops"):
                await task
            assert found.time_is_up()
            assert isinstance(found.interruption(), LocalError)

    asyncio.run(main())
