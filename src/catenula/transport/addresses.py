"""Network addresses in committees: ``grpc:HOST:PORT`` and ``grpcs:HOST:PORT`` (spec 06 §8.7)."""

from typing import NamedTuple

from catenula.base.errors import DecodeError

_SCHEMES = ("grpc", "grpcs")
_OTHER_SCHEMES = ("tcp", "udp")
_MAX_PORT = 65_535


class NetworkAddress(NamedTuple):
    """Where a validator's public port is."""

    host: str
    port: int
    is_encrypted: bool

    @classmethod
    def parse(cls, text: str) -> "NetworkAddress":
        """Read a committee's address; case is folded. `DecodeError` says what is wrong."""
        parts = text.lower().split(":")
        if len(parts) != 3:
            raise DecodeError("InvalidNetworkAddress", text=text, expected="grpc:host:port")
        scheme, host, port = parts
        if scheme in _OTHER_SCHEMES:
            raise DecodeError(
                "UnsupportedNetworkProtocol", text=text, protocol=scheme, supported="grpc, grpcs"
            )
        is_port = port.isascii() and port.isdigit() and 0 < int(port[:6]) <= _MAX_PORT
        if scheme not in _SCHEMES or not host or not is_port:
            raise DecodeError("InvalidNetworkAddress", text=text, expected="grpc:host:port")
        return cls(host, int(port), scheme == "grpcs")

    @property
    def target(self) -> str:
        """``host:port``."""
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The address as an HTTP URL."""
        return f"http{'s' if self.is_encrypted else ''}://{self.target}"

    def __str__(self) -> str:
        return f"grpc{'s' if self.is_encrypted else ''}:{self.target}"
