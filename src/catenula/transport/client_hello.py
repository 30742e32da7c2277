"""Which protocols a client of TLS offers (ALPN, RFC 7301), read from its first bytes.

Native gRPC clients offer only ``h2``, browsers offer ``http/1.1`` too; the TLS library tells a
server which protocol it chose, but not what else was offered.
"""

_HANDSHAKE, _CLIENT_HELLO = 22, 1
_ALPN = 16
_RECORD_HEADER, _HANDSHAKE_HEADER, _VERSION_AND_RANDOM = 5, 4, 34


class IncompleteHello(Exception):
    """More bytes are needed."""


class NoHello(Exception):
    """The bytes are no ClientHello."""


def is_tls(data: bytes) -> bool:
    """Whether these may be the first bytes of a TLS connection."""
    return data[:1] == bytes((_HANDSHAKE,))


def offered_protocols(data: bytes) -> frozenset[str]:
    """The protocols that the ClientHello in ``data`` offers.

    Raises `IncompleteHello` or `NoHello`.
    """
    hello = _Reader(_handshake_bytes(data))
    if hello.number(1) != _CLIENT_HELLO:
        raise NoHello
    hello = _Reader(hello.take(hello.number(3)))
    hello.take(_VERSION_AND_RANDOM)
    hello.take(hello.number(1))  # The session's id.
    hello.take(hello.number(2))  # The ciphers.
    hello.take(hello.number(1))  # The compressions.
    if hello.is_empty:
        return frozenset()
    extensions = _Reader(hello.take(hello.number(2)))
    while not extensions.is_empty:
        kind = extensions.number(2)
        content = _Reader(extensions.take(extensions.number(2)))
        if kind == _ALPN:
            return _names(_Reader(content.take(content.number(2))))
    return frozenset()


def _names(names: "_Reader") -> frozenset[str]:
    found = set()
    while not names.is_empty:
        found.add(names.take(names.number(1)).decode("latin-1"))
    return frozenset(found)


def _handshake_bytes(data: bytes) -> bytes:
    """The handshake messages in the TLS records of ``data``, as far as they have come."""
    found, position = b"", 0
    while position + _RECORD_HEADER <= len(data):
        if data[position] != _HANDSHAKE:
            raise NoHello
        start = position + _RECORD_HEADER
        position = start + int.from_bytes(data[start - 2 : start], "big")
        found += data[start:position]
    return found


class _Reader:
    """Takes bytes off the front."""

    def __init__(self, data: bytes) -> None:
        self._data, self._position = data, 0

    @property
    def is_empty(self) -> bool:
        return self._position >= len(self._data)

    def take(self, count: int) -> bytes:
        end = self._position + count
        if end > len(self._data):
            raise IncompleteHello
        taken = self._data[self._position : end]
        self._position = end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")
