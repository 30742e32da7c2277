"""Where a validator listens: ``host:port``. What it publishes is a `NetworkAddress`."""

from typing import NamedTuple, Self

from catenula.base.errors import DecodeError

MAX_PORT = 65_535


def parse_port(text: object) -> int:
    """A port number 0…65535 from text or a number, else `DecodeError`."""
    is_number = type(text) is int or (
        isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 5
    )
    if not is_number or not 0 <= int(text) <= MAX_PORT:  # type: ignore[call-overload]  # Checked.
        raise DecodeError("InvalidPort", port=text, expected=f"a number up to {MAX_PORT}")
    return int(text)  # type: ignore[call-overload, no-any-return]  # As above.


class HostPort(NamedTuple):
    """A TCP address without its protocol."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``host:port``, else `DecodeError`."""
        host, separator, port = text.rpartition(":")
        if not separator or not host or (":" in host.strip("[]") and not host.startswith("[")):
            raise DecodeError("InvalidAddress", address=text, expected="host:port")
        return cls(host.strip("[]"), parse_port(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
