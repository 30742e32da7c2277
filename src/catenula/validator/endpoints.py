"""Where the processes of one validator find each other: sockets in a private folder, or TCP."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from catenula.base.errors import LocalError
from catenula.validator.addresses import HostPort
from catenula.validator.files import FOLDER_MODE, SECRET_MODE

MAX_SOCKET_PATH_BYTES = 100
BACKLOG = 128

MakeProtocol = Callable[[], asyncio.BaseProtocol]


class Endpoint(NamedTuple):
    """One of both is set."""

    path: Path | None = None
    address: HostPort | None = None

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path is not None else f"tcp:{self.address}"

    async def listen(self, make_protocol: MakeProtocol) -> asyncio.Server:
        """Accept connections here; a socket is for its owner only. Raises `LocalError`."""
        loop = asyncio.get_running_loop()
        try:
            if self.address is not None:
                host, port = self.address
                return await loop.create_server(make_protocol, host, port, backlog=BACKLOG)
            path = self.path or Path()
            path.unlink(missing_ok=True)
            server = await loop.create_unix_server(make_protocol, path, backlog=BACKLOG)
            path.chmod(SECRET_MODE)
        except OSError as error:
            raise LocalError(
                f"cannot listen at {self}: {error.strerror or error}; another process may",
                retryable=True,
            ) from error
        return server

    async def connect(self, make_protocol: MakeProtocol) -> None:
        """Open a connection; raises `OSError`."""
        loop = asyncio.get_running_loop()
        if self.address is not None:
            await loop.create_connection(make_protocol, *self.address)
        else:
            await loop.create_unix_connection(make_protocol, str(self.path))


def socket_endpoints(folder: Path, count: int) -> tuple[Endpoint, ...]:
    """An endpoint per worker in a folder that only its owner may enter; `LocalError` otherwise."""
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise LocalError(
            f"the folder {folder} for sockets is open to others; give one with mode 0700",
            retryable=False,
        )
    endpoints = tuple(Endpoint(path=folder / f"worker-{number}") for number in range(count))
    if len(os.fsencode(endpoints[-1].path or "")) > MAX_SOCKET_PATH_BYTES:
        raise LocalError(
            f"the path of {folder} is too long for sockets; give a shorter one", retryable=False
        )
    return endpoints
