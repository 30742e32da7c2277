"""The signature helper: a process of our own that verifies signatures for the one that started it.

`catenula.validator.signature_process` starts it and hands it what several validators in one process
will have to verify; what is said is in `catenula.validator.signature_packets`. It verifies for each
of them anew, remembers no verdict, and ends when its owner does.
"""

import socket
from collections.abc import Sequence
from contextlib import suppress

from catenula.base.crypto import AccountSignature, SignedHash
from catenula.base.errors import ProtocolError
from catenula.validator.helper_process import MAX_PACKET_BYTES, READY
from catenula.validator.signature_packets import ANSWER, unpack


def are_right(signed: Sequence[SignedHash]) -> bool:
    """Whether every hash was signed by the signer its signature names."""
    try:
        for digest, signature in signed:
            AccountSignature(signature).verify(digest)
    except (ProtocolError, TypeError, ValueError):
        # Wrong, or no signature at all: the one who asked finds out what it is.
        return False
    return True


def serve(channel: socket.socket) -> None:
    """Verify for the other end of the channel until it ends."""
    channel.send(READY)
    while packet := channel.recv(MAX_PACKET_BYTES):
        for number, signed in unpack(packet):
            channel.send(ANSWER.pack(number, are_right(signed)))


def main(control: int) -> None:
    """Serve on this descriptor; an owner that has ended already is not worth a message."""
    with socket.socket(fileno=control) as channel, suppress(ConnectionError):
        serve(channel)
