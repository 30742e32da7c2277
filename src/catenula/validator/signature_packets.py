"""What the signature helper and its owner say to each other, on a socket that keeps packets apart.

To the helper: the signatures of some requests, each with the request's number (`pack`). From the
helper, for every request in turn: its number, and whether all its signatures are right (`ANSWER`).
"""

import struct

from catenula.base.crypto import SignedHash
from catenula.validator.helper_process import packed, unpacked

ANSWER = struct.Struct("=Q?")

Request = tuple[int, list[SignedHash]]


def pack(requests: list[Request]) -> bytes:
    """The packet of some requests."""
    return packed(requests)


def unpack(packet: bytes) -> list[Request]:
    """The requests of a packet."""
    requests: list[Request] = unpacked(packet)
    return requests
