"""The web server that recorded applications asked over HTTP, as far as a command can see it.

Where it listened is part of the encoded operations, so they are changed to say where ours listens.
"""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from catenula.base.closing import Closing
from catenula.conformance.commands.network import HOST

_ANSWER = b"answer"
_RECORDED_PLACE = re.compile("".join(f"{byte:02x}" for byte in b"localhost:") + "((?:3[0-9]){5})")
_PORT_DIGITS = 5


class _Handler(BaseHTTPRequestHandler):
    """Answers everything the same, without a word that differs from one request to the next."""

    def do_GET(self) -> None:
        """Answer."""
        self.wfile.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%s" % (len(_ANSWER), _ANSWER)
        )

    def do_POST(self) -> None:
        """Take what was sent, and answer."""
        self.rfile.read(int(self.headers.get("content-length", "0")))
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # Its name there.
        """Say nothing."""


class AskedServer(Closing):
    """The server, while it is entered."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer((HOST, 0), _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def close(self) -> None:
        """Answer nothing any more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def redirect(self, operation: str) -> str:
        """An encoded operation, in hex, that asks here instead of at a port of five digits."""
        port = str(self._server.server_port).rjust(_PORT_DIGITS, "0").encode().hex()
        place = b"localhost:".hex() + port
        return _RECORDED_PLACE.sub(place, operation)
