"""The client side of faucets: what it asks, what it understands, and how it fails."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from catenula.base.identifiers import AccountOwner
from catenula.base.integers import tokens
from catenula.client.faucet_client import FaucetClient, FaucetRefused, FaucetUnreachable

SOMEBODY = AccountOwner.parse("0x" + "11" * 32)


class Scripted:
    """A server that answers everything with the same bytes, and remembers what it was asked."""

    def __init__(self, answer: bytes) -> None:
        self.answer, self.asked = answer, b""
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FaucetClient]:
        """A client of the server."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield FaucetClient(f"http://127.0.0.1:{self.port}/some/path?x=1", seconds=5)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            self.asked = head + await reader.readexactly(length)
            writer.write(self.answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            self.asked = b""
        finally:
            writer.transport.abort() if not self.asked else writer.close()


def answered(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


Ask = Callable[[FaucetClient], Awaitable[Any]]


def ask(server: Scripted, question: Ask) -> Any:
    async def main() -> Any:
        async with server.running() as client:
            return await question(client)

    return asyncio.run(main())


def fails(answer: bytes, kind: type[Exception] = FaucetUnreachable) -> str:
    server = Scripted(answer)
    with pytest.raises(kind) as failed:
        ask(server, lambda client: client.version())
    assert f"http://127.0.0.1:{server.port}/some/path?x=1" in str(failed.value)
    assert "next:" in str(failed.value)
    return str(failed.value)


# What it asks

_QUESTIONS: list[tuple[Ask, str]] = [
    (lambda client: client.genesis_config(), "query { genesisConfig }"),
    (lambda client: client.version(), "query { version }"),
    (lambda client: client.claim(SOMEBODY), f'mutation {{ claim(owner: "{SOMEBODY}") }}'),
    (
        lambda client: client.current_validators(),
        "query { currentValidators { publicKey networkAddress } }",
    ),
    (lambda client: client.current_committee(), "query { currentCommittee { validators policy } }"),
    (
        lambda client: client.initial_claim(SOMEBODY),
        f'query {{ initialClaim(owner: "{SOMEBODY}") {{ chainId timestamp }} }}',
    ),
]


@pytest.mark.parametrize(("question", "text"), _QUESTIONS, ids=[text for _, text in _QUESTIONS])
def test_requests_have_the_texts_that_all_faucets_know(question: Ask, text: str) -> None:
    server = Scripted(answered(b'{"data": {}}'))
    with pytest.raises(FaucetUnreachable):
        ask(server, question)
    head, _, body = server.asked.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /some/path?x=1 HTTP/1.1\r\n")
    assert f"host: 127.0.0.1:{server.port}\r\n".encode() in head.lower()
    assert json.loads(body) == {"query": text}


# What it understands


def _recorded(folder: Path, name: str) -> bytes:
    path = folder / "network" / "a-nofees" / "faucet.json.gz"
    if not path.is_file():
        pytest.skip(f"*** NOT TESTED: {path} is not here")
    conversation = json.loads(gzip.decompress(path.read_bytes()))["http"]
    entry = next(entry for entry in conversation if entry["name"] == name)
    return answered(entry["response_body"].encode())


def test_answers_of_the_reference_are_understood(shared_vectors: Path) -> None:
    def get(name: str, question: Ask) -> Any:
        return ask(Scripted(_recorded(shared_vectors, name)), question)

    genesis = get("genesis", lambda client: client.genesis_config())
    committee = get("committee", lambda client: client.current_committee())
    assert committee == genesis.committee
    assert str(get("version", lambda client: client.version()).crate_version) == "0.15.21"
    validators = get("validators", lambda client: client.current_validators())
    addresses = {key: state.network_address for key, state in committee.validators.items()}
    assert validators == addresses
    description = get("claim", lambda client: client.claim(SOMEBODY))
    assert description.config.balance == tokens(10)
    assert description.chain_id == get("chainId", lambda client: client.chain_id(SOMEBODY))
    initial = get("initialClaim", lambda client: client.initial_claim(SOMEBODY))
    assert initial == (description.chain_id, description.timestamp)
    unknown = "initialClaim of unknown"
    assert get(unknown, lambda client: client.initial_claim(SOMEBODY)) is None


def test_a_refusal_has_the_words_of_the_faucet(shared_vectors: Path) -> None:
    server = Scripted(_recorded(shared_vectors, "daily claim"))
    with pytest.raises(FaucetRefused) as refused:
        ask(server, lambda client: client.daily_claim(SOMEBODY))
    assert refused.value.texts == ("You have already claimed tokens for this period",)


def test_a_daily_claim_asks_for_what_it_reads() -> None:
    data = {"chainId": "ab" * 32, "certificateHash": "cd" * 32, "amount": "2.5"}
    server = Scripted(answered(json.dumps({"data": {"dailyClaim": data}}).encode()))
    paid = ask(server, lambda client: client.daily_claim(SOMEBODY))
    assert (str(paid.chain_id), paid.amount) == ("ab" * 32, tokens(5) // 2)
    assert b"{ chainId certificateHash amount }" in server.asked


def test_a_chain_of_somebody_else_is_not_believed(shared_vectors: Path) -> None:
    server = Scripted(_recorded(shared_vectors, "claim address20"))
    with pytest.raises(FaucetUnreachable, match="ForeignChain"):
        ask(server, lambda client: client.claim(SOMEBODY))


def test_a_chunked_answer_and_one_that_ends_with_the_connection_are_read() -> None:
    data = json.dumps({"data": {"chainId": "ab" * 32}}).encode()
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)
    head = b"HTTP/1.1 200 OK\r\n"
    for answer in (
        head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked,
        head + b"Connection: close\r\n\r\n" + data,
    ):
        found = ask(Scripted(answer), lambda client: client.chain_id(SOMEBODY))
        assert str(found) == "ab" * 32


# How it fails


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (answered(b"", "500 Internal Server Error"), "HTTP status 500"),
        (answered(b"", "301 Moved", "Location: https://there"), "moved to https://there"),
        (answered(b"<html>"), "its answer is not JSON"),
        (answered(b"\xff"), "its answer is not JSON"),
        (answered(b"[" * 100_000), "its answer is not JSON"),
        (answered(b"[]"), "not one of a GraphQL service"),
        (answered(b"{}"), "its answer has no data"),
        (answered(b'{"data": {"version": 5}}'), "its answer to version cannot be read"),
        (answered(b'{"data": {"other": 5}}'), "its answer to version cannot be read"),
        (answered(b"abc").replace(b": 3", b": 9"), "ended in the middle of the answer"),
        (b"", "ended in the middle of the answer"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the answer is not HTTP"),
    ],
)
def test_an_answer_that_is_none_says_what_came_instead(answer: bytes, reason: str) -> None:
    assert reason in fails(answer)


def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catenula.client.faucet_client.MAX_FAUCET_ANSWER_BYTES", 1000)
    assert "larger than 1000 bytes" in fails(answered(b"x" * 5000))


def test_nobody_listening_is_named() -> None:
    async def main() -> None:
        server = Scripted(b"")
        async with server.running():
            pass
        with pytest.raises(FaucetUnreachable, match=r"refused|Connect call failed"):
            await FaucetClient(f"http://127.0.0.1:{server.port}").version()

    asyncio.run(main())


@pytest.mark.parametrize(
    "url", ["localhost:8080", "ftp://x", "http://", "http://x:99999", "", "http://["]
)
def test_what_is_no_url_is_said_to_be_none(url: str) -> None:
    with pytest.raises(FaucetUnreachable, match="is not a URL"):
        asyncio.run(FaucetClient(url).version())


def test_silence_is_not_waited_for_for_ever() -> None:
    async def main() -> None:
        async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.wait_for(released.wait(), 10)
            writer.close()

        released = asyncio.Event()
        server = await asyncio.start_server(hang, "127.0.0.1", 0)
        async with server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with pytest.raises(FaucetUnreachable, match="no answer within"):
                await FaucetClient(url, seconds=0.05).version()
            released.set()

    asyncio.run(main())


def test_encrypted_connections_verify_the_server() -> None:
    """A server without a certificate is not spoken to."""

    async def main() -> None:
        server = Scripted(answered(b"{}"))
        async with server.running():
            with pytest.raises(FaucetUnreachable):
                await FaucetClient(f"https://127.0.0.1:{server.port}", seconds=5).version()

    asyncio.run(main())
