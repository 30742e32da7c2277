"""The reference's own answers to single calls, native and gRPC-Web, against our public port.

The node behind the port has replayed the recorded history; a chain for which the recorder had bad
certificates stands where it stood then. Where the answer depends on other chains that stood
elsewhere, only that the call succeeds is compared.
"""

import asyncio
from typing import Any

import pytest

from catenula.transport.calls import METHODS
from catenula.transport.grpc_web import PREFLIGHT_SECONDS
from catenula.transport.messages import from_proto_bytes
from tests.network.support import asynchronous
from tests.transport.raw_http import connect, frames
from tests.transport.recorded_node import RUNS, conversation, recorded_port

MISSING = "*** NOT TESTED: the recorded conversations (../shared/vectors/network) are not here"

OTHER_PLACE = {
    ("HandleChainInfoQuery", "leader timeout too early"),
    ("HandleChainInfoQuery", "leader timeout wrong round"),
    ("HandleChainInfoQuery", "leader timeout fast"),
    ("BlobLastUsedBy", "genesis chain"),
    ("HandleValidatedCertificate", "next height, bad signatures"),
    ("HandleValidatedCertificate", "wrong epoch"),
}
"""The chain has more blocks than when this was recorded."""

UNTIMED = ("far future timestamp", "bundle never sent", "other block same round")
"""Without a key a node does not compare times, so the first of these proposals is taken; then it is
in the way of the other two."""

BYTES_DIFFER = ("GetVersionInfo", "PreviousEventBlocks", "Subscribe")
"""Ours is another program; the admin chain has announced epochs since."""


def stands_elsewhere(entry: dict[str, Any], found: str) -> bool:
    """Whether an answer may differ because its chain stands elsewhere."""
    method = entry["method"]
    if method == "HandleBlockProposal":
        return found == "UnexpectedBlockHeight" or entry["name"] in UNTIMED
    return (method, entry["name"]) in OTHER_PLACE


async def play(channel: Any, entry: dict[str, Any]) -> tuple[str, list[bytes]]:
    """Make one recorded call: the name of its code, and the answers."""
    import grpc

    method, request = entry["method"], bytes.fromhex(entry["req"])
    path = method if method.startswith("/") else f"/rpc.v1.ValidatorNode/{method}"
    answers: list[bytes] = []
    if "stream" not in entry:
        try:
            return "OK", [await channel.unary_unary(path)(request)]
        except grpc.aio.AioRpcError as error:
            return error.code().name, []
    call = channel.stream_stream(path)(iter([request]))
    try:
        async for answer in call:
            answers.append(answer)
            if entry["code"] == "DEADLINE_EXCEEDED":  # It went on until the recorder had enough.
                call.cancel()
                return "DEADLINE_EXCEEDED", answers
    except grpc.aio.AioRpcError as error:
        return error.code().name, answers
    return "OK", answers


def complaint(entry: dict[str, Any], code: str, answers: list[bytes]) -> str | None:
    """What is wrong with the answer to a recorded call, or None."""
    place = f"{entry['method']} {entry['name']!r}"
    if code != entry["code"] and not stands_elsewhere(entry, code):
        return f"{place}: {code}, recorded {entry['code']}"
    if code != "OK" or "stream" in entry or entry["method"].startswith("/"):
        return None
    recorded_error = entry.get("node_error")
    if recorded_error is not None:
        wanted = recorded_error if isinstance(recorded_error, str) else next(iter(recorded_error))
        found = type(from_proto_bytes(METHODS[entry["method"]].response, answers[0])).__name__
        if found != wanted and not stands_elsewhere(entry, found):
            return f"{place}: {found}, recorded {wanted}"
    elif not entry["method"].startswith(("Handle", *BYTES_DIFFER)):
        recorded = bytes.fromhex(entry.get("resp") or "")
        if answers[0] != recorded and not stands_elsewhere(entry, ""):
            return f"{place}: {answers[0][:40].hex()}…, recorded {recorded[:40].hex()}…"
    return None


@pytest.mark.parametrize("run", RUNS)
@asynchronous
async def test_native_calls_are_answered_as_by_the_reference(run: str) -> None:
    import grpc

    entries = conversation(run, "direct_grpc")
    if not entries:
        pytest.skip(MISSING)
    async with recorded_port(run) as server:
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{server.port}")
        complaints = [complaint(entry, *await play(channel, entry)) for entry in entries]
        await channel.close()
    assert [text for text in complaints if text is not None] == []


CHANGING = ("version", "chain info", "text variant", "text request, binary accept", "no accept")
"""Their bodies hold our version, or the state of a chain at another moment."""


def parse_head(text: str) -> tuple[str, dict[str, str]]:
    first, *lines = text.strip().split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    return first.split()[1], {name.lower(): value for name, _, value in pairs}


def unchunk(data: bytes) -> bytes:
    """A chunked body that may end before its last chunk."""
    body = b""
    while data:
        size, _, rest = data.partition(b"\r\n")
        body += rest[: int(size, 16)]
        data = rest[int(size, 16) + 2 :]
    return body


async def converse(port: int, entry: dict[str, Any]) -> tuple[str, dict[str, str], bytes]:
    """Send a recorded request; status, headers without the date, body."""
    async with connect(port) as connection:
        connection.writer.write(entry["request_head"].encode())
        connection.writer.write(bytes.fromhex(entry["request_body"]))
        status, headers = await connection.head()
        body = b""
        if headers.get("transfer-encoding") == "chunked":
            while part := await connection.chunk():
                body += part
                if entry["name"].startswith("subscribe"):
                    break
        headers.pop("date", None)
        return str(status), headers, body


@pytest.mark.parametrize("run", RUNS)
@asynchronous
async def test_grpc_web_is_spoken_as_by_the_reference(run: str) -> None:
    entries = conversation(run, "grpc_web")
    if not entries:
        pytest.skip(MISSING)
    async with recorded_port(run) as server:
        found = await asyncio.gather(*(converse(server.port, entry) for entry in entries))
    for entry, (status, headers, body) in zip(entries, found, strict=True):
        recorded_status, recorded_headers = parse_head(entry["response_head"])
        recorded_headers.pop("date", None)
        if entry["request_head"].startswith("OPTIONS"):
            assert headers.pop("access-control-max-age") == str(PREFLIGHT_SECONDS)
        recorded_body = bytes.fromhex(entry["response_body"])
        if "transfer-encoding" in recorded_headers:
            recorded_body = unchunk(recorded_body)
        if entry["name"] == "bad protobuf":
            assert headers["grpc-message"].startswith("failed%20to%20decode%20Protobuf%20message:")
            headers["grpc-message"] = recorded_headers["grpc-message"]
        assert (status, headers) == (recorded_status, recorded_headers), entry["name"]
        if entry["name"] not in CHANGING:
            assert body == recorded_body, entry["name"]
        elif "text" not in headers["content-type"]:
            assert [flag for flag, _ in frames(body)] == [0, 0x80]
