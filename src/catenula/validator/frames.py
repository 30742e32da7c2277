"""Frames between the processes of one validator, and the handshake before them.

A frame is ``length u32 | kind u8 | call id u64 | body``, big-endian; its length is bounded before
anything is kept. Before the first frame both sides prove that they know the validator's internal
secret, so that no internal port accepts a stranger: whoever does not is cut off after a short time
and a fixed number of bytes. Nothing is encrypted: addresses belong on one machine or a private
network.
"""

import asyncio
import hmac
import secrets
from collections.abc import Callable
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from catenula.base.errors import DecodeError
from catenula.base.limits import MAX_FRAME_BYTES, MAX_LINK_BUFFER_BYTES

MAGIC = b"CATENULA/1"
NONCE_BYTES = 32
PROOF_BYTES = 32
SECRET_BYTES = 32
HANDSHAKE_SECONDS = 2.0

_LENGTH = Struct(">I")
_HEADER = Struct(">BQ")
_PREFIX = Struct(">IBQ")
_GREETING_BYTES = len(MAGIC) + NONCE_BYTES
_ANSWER_BYTES = len(MAGIC) + NONCE_BYTES + PROOF_BYTES + 1
_HIGH_WATER_BYTES = 1 << 20


class FrameKind(IntEnum):
    """What a frame is."""

    CALL = 1
    """A public request: ``length of the method u8 | method | request``."""
    REPLY = 2
    """The answer of a call; empty for an acknowledged delivery."""
    STATUS = 3
    """The status that ended a call: ``code u8 | text``."""
    DELIVER = 4
    """A cross-chain request, to be acknowledged once it is durable."""
    NOTIFY = 5
    """Notifications: ``chain id (32) | length u32 | message`` each."""
    CANCEL = 6
    """Nobody waits for that call any more."""
    PING = 7
    PONG = 8
    METRICS = 9
    """Asks for the process's counters; the answer is JSON."""


class Role(IntEnum):
    """Who connects."""

    FRONT_DOOR = 1
    WORKER = 2


class Frame(NamedTuple):
    """A received frame."""

    kind: FrameKind
    call_id: int
    body: bytes


def encode_frame(kind: FrameKind, call_id: int, body: bytes = b"") -> bytes:
    """The bytes of a frame."""
    return _PREFIX.pack(_HEADER.size + len(body), kind, call_id) + body


class FrameReader:
    """Cuts a stream of bytes into frames; `DecodeError` for what cannot be one."""

    def __init__(self, limit_bytes: int = MAX_FRAME_BYTES) -> None:
        self._limit = limit_bytes
        self._buffer = bytearray()
        self._needed = _LENGTH.size

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete now."""
        buffer = self._buffer
        buffer += data
        if len(buffer) < self._needed:
            return []
        frames: list[Frame] = []
        start = 0
        self._needed = _LENGTH.size
        while len(buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if not _HEADER.size <= length <= self._limit:
                raise DecodeError("InvalidFrameLength", length=length, limit=self._limit)
            end = start + _LENGTH.size + length
            if len(buffer) < end:
                self._needed = end - start
                break
            frames.append(_read_frame(buffer, start + _LENGTH.size, end))
            start = end
        del buffer[:start]
        return frames


def _read_frame(buffer: bytearray, start: int, end: int) -> Frame:
    kind, call_id = _HEADER.unpack_from(buffer, start)
    try:
        known = FrameKind(kind)
    except ValueError as error:
        raise DecodeError("UnknownFrame", kind=kind) from error
    return Frame(known, call_id, bytes(memoryview(buffer)[start + _HEADER.size : end]))


def new_secret() -> bytes:
    """A secret for the processes of one run."""
    return secrets.token_bytes(SECRET_BYTES)


def _proof(secret: bytes, side: bytes, ours: bytes, theirs: bytes) -> bytes:
    return hmac.digest(secret, MAGIC + side + ours + theirs, "sha256")


class FrameConnection(asyncio.Protocol):
    """One connection: handshake, then frames in both directions.

    ``on_open`` is called once the other side has proved itself, ``on_frame`` for every frame,
    ``on_close`` once if ``on_open`` was called.
    """

    def __init__(self, secret: bytes, role: Role | None) -> None:
        """``role`` is who we are when we connect; None when we accept."""
        self._secret = secret
        self._is_client = role is not None
        self.role = role
        self._nonce = secrets.token_bytes(NONCE_BYTES)
        self._handshake = bytearray()
        self._server_proof = b""
        self._reader = FrameReader()
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self.is_open = False
        self.is_refused = False
        """Whether to hang up as soon as there is a connection."""
        self.on_open: Callable[[FrameConnection], None] = _nothing
        self.on_frame: Callable[[Frame], None] = _nothing
        self.on_close: Callable[[FrameConnection], None] = _nothing
        self.on_gone: Callable[[FrameConnection], None] = _nothing

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self._transport = transport  # type: ignore[assignment]  # A stream's transport.
        if self.is_refused:
            self.abort()
            return
        self._transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)  # type: ignore[union-attr]  # Set above.
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(HANDSHAKE_SECONDS, self.abort)
        if not self._is_client:
            self._write(MAGIC + self._nonce)

    def data_received(self, data: bytes) -> None:
        """Take bytes in; a stranger and a broken stream are cut off."""
        try:
            after = data if self.is_open else self._greet(data)
            for frame in self._reader.feed(after):
                self.on_frame(frame)
        except DecodeError:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever uses the connection."""
        self._stop_timer()
        was_open, self.is_open = self.is_open, False
        if was_open:
            self.on_close(self)
        self.on_gone(self)

    def pause_writing(self) -> None:
        """The other side reads slower than we write: take nothing more from it either."""
        if self._transport is not None and not self._is_client:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The other side has caught up."""
        if self._transport is not None and not self._is_client:
            self._transport.resume_reading()

    # Handshake

    def _greet(self, data: bytes) -> bytes:
        """Go on with the handshake; returns what follows it."""
        self._handshake += data
        if self._is_client:
            return self._greet_as_client()
        return self._greet_as_server()

    def _greet_as_server(self) -> bytes:
        if len(self._handshake) < _ANSWER_BYTES:
            return b""
        answer, rest = self._split(_ANSWER_BYTES)
        magic, nonce = answer[: len(MAGIC)], answer[len(MAGIC) : _GREETING_BYTES]
        proof, role = answer[_GREETING_BYTES:-1], answer[-1:]
        expected = _proof(self._secret, b"connects" + role, self._nonce, nonce)
        if magic != MAGIC or not hmac.compare_digest(proof, expected):
            raise DecodeError("Stranger")
        if role[0] not in tuple(Role):
            raise DecodeError("UnknownRole", role=role[0])
        self.role = Role(role[0])
        self._write(_proof(self._secret, b"accepts", self._nonce, nonce))
        self._open()
        return rest

    def _greet_as_client(self) -> bytes:
        if not self._server_proof:
            if len(self._handshake) < _GREETING_BYTES:
                return b""
            greeting, _ = self._split(_GREETING_BYTES)
            if greeting[: len(MAGIC)] != MAGIC:
                raise DecodeError("Stranger")
            theirs = greeting[len(MAGIC) :]
            role = bytes((0 if self.role is None else self.role,))
            proof = _proof(self._secret, b"connects" + role, theirs, self._nonce)
            self._server_proof = _proof(self._secret, b"accepts", theirs, self._nonce)
            self._write(MAGIC + self._nonce + proof + role)
        if len(self._handshake) < PROOF_BYTES:
            return b""
        proof, rest = self._split(PROOF_BYTES)
        if not hmac.compare_digest(proof, self._server_proof):
            raise DecodeError("Stranger")
        self._open()
        return rest

    def _split(self, count: int) -> tuple[bytes, bytes]:
        """The next bytes of the handshake, and those after them, which stay for the next step."""
        first, rest = bytes(self._handshake[:count]), bytes(self._handshake[count:])
        self._handshake = bytearray(rest)
        return first, rest

    def _open(self) -> None:
        self._stop_timer()
        self._handshake.clear()
        self.is_open = True
        self.on_open(self)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # Sending

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def send(self, kind: FrameKind, call_id: int, body: bytes = b"") -> None:
        """Send a frame; nothing happens when the connection is gone."""
        if self.is_open:
            self._write(encode_frame(kind, call_id, body))

    @property
    def waiting_bytes(self) -> int:
        """Bytes that the other side has not taken yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    @property
    def is_full(self) -> bool:
        """Whether so much waits that nothing more should be sent."""
        return self.waiting_bytes > MAX_LINK_BUFFER_BYTES

    def abort(self) -> None:
        """Cut the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close the connection when what waits is sent."""
        if self._transport is not None:
            self._transport.close()


def _nothing(_: object) -> None:
    """Nobody listens."""
