"""The network against which recorded commands are played: validators behind real ports.

All validators run in one process of their own, beside the one that runs the commands. Their stores
are in memory and outlive a stop, so that a validator that is started again has its state.
"""

import asyncio
import secrets
import socket
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple, Self

from catenula.base.closing import Closing
from catenula.base.codec import codec_of
from catenula.base.crypto import (
    AccountPublicKey,
    AccountSecretKey,
    SignatureScheme,
    ValidatorSecretKey,
)
from catenula.base.errors import LocalError
from catenula.client.files.genesis_json import read_genesis
from catenula.storage.engine import Store, open_store
from catenula.transport.addresses import NetworkAddress
from catenula.validator.addresses import HostPort
from catenula.validator.configuration import ServerConfig
from catenula.validator.server import ValidatorServer, start_validator_server

HOST = "localhost"
_LOOPBACK = "127.0.0.1"
_READY_SECONDS = 60.0
_STOP_SECONDS = 15.0


class Member(NamedTuple):
    """A validator: its secrets in JSON form, and where it listens."""

    secret: str
    public_key: str
    account_key: str
    port: int

    @property
    def address(self) -> str:
        """As committees have it, without the protocol."""
        return f"{HOST}:{self.port}"


def new_members(count: int) -> list[Member]:
    """Validators with new keys and free ports."""
    found = []
    for port in free_ports(count):
        secret = ValidatorSecretKey.generate(secrets.token_bytes)
        account = AccountSecretKey.generate(SignatureScheme.ED25519, secrets.token_bytes)
        account_key = codec_of(AccountPublicKey).to_bcs(account.public_key()).hex()
        found.append(Member(secret.to_json(), str(secret.public_key()), account_key, port))
    return found


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens at."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for item in sockets:
            item.bind((_LOOPBACK, 0))
        return [item.getsockname()[1] for item in sockets]


def committee_file(members: Sequence[Member]) -> dict[str, object]:
    """The content of ``committee.json`` (spec 06 §8.3)."""
    return {
        "validators": [
            {
                "public_key": member.public_key,
                "account_key": {"Ed25519": member.account_key[2:]},
                "network": {"protocol": {"Grpc": "ClearText"}, "host": HOST, "port": member.port},
            }
            for member in members
        ]
    }


class PlayedNetwork(Closing):
    """The validators' process; leaving the context ends it."""

    def __init__(self, members: Sequence[Member], *, workers: int, genesis: Path) -> None:
        self._pipe, self._theirs = get_context("spawn").Pipe()
        arguments = (self._theirs, tuple(members), workers, genesis.absolute())
        self._process = get_context("spawn").Process(target=_serve, args=arguments, daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        # Else its end would never be heard.
        self._theirs.close()
        return self

    def close(self) -> None:
        """End the process."""
        with suppress(ConnectionError):
            self._pipe.send(None)
        self._process.join(_STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._pipe.close()

    def switch(self, validator: int, *, is_running: bool) -> None:
        """Start or stop a validator; returns when that is done."""
        failure: str | None = "it has neither started nor stopped"
        try:
            self._pipe.send((validator, is_running))
            if self._pipe.poll(_READY_SECONDS):
                failure = self._pipe.recv()
        except (EOFError, ConnectionError):
            failure = "the process of the validators has ended"
        if failure is not None:
            raise LocalError(f"validator {validator} failed: {failure}", retryable=False)


def _serve(pipe: Connection, members: tuple[Member, ...], workers: int, genesis: Path) -> None:
    """The validators' process."""
    asyncio.run(_Validators(pipe, members, workers=workers, genesis=genesis).run())


class _Validators:
    def __init__(
        self, pipe: Connection, members: tuple[Member, ...], *, workers: int, genesis: Path
    ) -> None:
        self._pipe, self._members, self._workers = pipe, members, workers
        self._genesis_path = genesis
        self._stores: dict[int, Store] = {}
        self._servers: dict[int, ValidatorServer] = {}

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                order = await loop.run_in_executor(None, self._pipe.recv)
            except EOFError:
                order = None
            if order is None:
                break
            try:
                await self._switch(*order)
            except LocalError as error:
                self._pipe.send(str(error))
            else:
                self._pipe.send(None)
        for server in self._servers.values():
            await server.close(0)

    async def _switch(self, index: int, is_running: bool) -> None:
        if is_running and index not in self._servers:
            self._servers[index] = await self._start(index)
        elif not is_running and index in self._servers:
            await self._servers.pop(index).close(0)

    async def _start(self, index: int) -> ValidatorServer:
        member = self._members[index]
        if index not in self._stores:
            self._stores[index] = open_store("memory:")
        config = ServerConfig(
            secret=ValidatorSecretKey.from_json(member.secret),
            account_key=codec_of(AccountPublicKey).from_bcs(bytes.fromhex(member.account_key)),
            address=NetworkAddress(HOST, member.port, False),
            listen=HostPort(_LOOPBACK, member.port),
            workers=self._workers,
        )
        genesis, _ = read_genesis(self._genesis_path)
        return await start_validator_server(config, self._stores[index], genesis=genesis)
