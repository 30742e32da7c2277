"""How the sockets of servers behave: answers leave at once, and peers that are gone are noticed."""

import socket

_KEEP_ALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
_UNREAD_MS = 60_000
"""A peer that acknowledges nothing of what was sent for so long is gone."""


def set_options(connection: socket.socket) -> None:
    """Set them on a connection, or on a listening socket for all of its connections."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (*_KEEP_ALIVE, ("TCP_USER_TIMEOUT", _UNREAD_MS)):
        option = getattr(socket, name, None)  # Not every system has every option.
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
