"""Asks an HTTP server as fast as it answers: ``python -m`` this module PORT PATH BODY REQUESTS.

Several connections at once, each kept open, so that the server is never idle; in a process of its
own, so that what is measured is the server. Prints the requests answered per second.
"""

import socket
import sys
import time

from catenula.base.errors import LocalError

CONNECTIONS = 8
_HEAD_END = b"\r\n\r\n"
_READ_BYTES = 1 << 16


def _answer(connection: socket.socket) -> bytes:
    """The body of the next answer; `LocalError` for any status but 200."""
    received = bytearray()
    while _HEAD_END not in received:
        received += _part(connection)
    head, _, rest = bytes(received).partition(_HEAD_END)
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise LocalError(f"the server answered {head[:60]!r} {rest[:200]!r}", retryable=False)
    lengths = [
        int(line.partition(b":")[2])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    ]
    body = bytearray(rest)
    while len(body) < lengths[0]:
        body += _part(connection)
    return bytes(body)


def _part(connection: socket.socket) -> bytes:
    part = connection.recv(_READ_BYTES)
    if not part:
        raise LocalError("the server closed the connection", retryable=True)
    return part


def ask(port: int, path: str, body: bytes, *, requests: int) -> float:
    """Requests answered per second; every answer is read and must be the same."""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    try:
        answers, count, started = set(), 0, time.perf_counter()
        while count < requests:
            for connection in connections:
                connection.sendall(request)
            answers |= {_answer(connection) for connection in connections}
            count += CONNECTIONS
        seconds = time.perf_counter() - started
    finally:
        for connection in connections:
            connection.close()
    if len(answers) != 1:
        raise LocalError(f"the server gave {len(answers)} different answers", retryable=False)
    return count / seconds


if __name__ == "__main__":
    rate = ask(int(sys.argv[1]), sys.argv[2], sys.argv[3].encode(), requests=int(sys.argv[4]))
    sys.stdout.write(f"{rate:.1f}\n")
