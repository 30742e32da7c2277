"""The validators of a local network: all in this process, or each in processes of its own."""

import asyncio
from typing import TYPE_CHECKING

from msgspec.structs import replace

from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.errors import LocalError
from catenula.client.watcher import Span
from catenula.network.devnet_files import DevnetFiles
from catenula.storage.engine import Store, open_store
from catenula.transport.in_process import InProcessNode
from catenula.transport.validator_node import ValidatorNode
from catenula.validator.clock import SystemClock
from catenula.validator.commit_threads import CommitThreads
from catenula.validator.configuration import LogOptions
from catenula.validator.default_applications import default_applications
from catenula.validator.server import Surroundings, ValidatorServer, start_validator_server
from catenula.validator.tuning import tune_process

if TYPE_CHECKING:
    from catenula.client.remote_node import NodeProvider
    from catenula.validator.supervisor import RunningValidator, Supervisor

_QUIET = LogOptions(level="warning")
"""What people should see of the processes between the summary and the end."""


class EmbeddedServers:
    """All validators in this process, each behind its port; ``span`` hears of each that serves."""

    def __init__(self, files: DevnetFiles, *, lasting: bool, span: Span) -> None:
        self._files, self._lasting = files, lasting
        self._span = span
        self._threads = CommitThreads()
        self._stores: list[Store] = []
        self._servers: list[ValidatorServer] = []

    async def start(self) -> None:
        """Open the stores and listen; `LocalError` when a port is taken or a store in use."""
        tune_process()
        surroundings = Surroundings(SystemClock(), default_applications(), self._threads)
        for index, config in enumerate(self._files.servers):
            store = open_store(self._location(index))
            self._stores.append(store)
            server = await start_validator_server(
                config, store, genesis=self._files.genesis, surroundings=surroundings
            )
            self._servers.append(server)
            self._span.reached(index + 1)

    def _location(self, index: int) -> str:
        return self._files.folder.validator_storage(index) if self._lasting else "memory:"

    def provider(self) -> "NodeProvider":
        """Connections for a client in this process: without the wire where there is none."""
        return _LocalFirst(
            {
                str(server.config.address): InProcessNode(
                    server.driver, name=str(server.config.address)
                )
                for server in self._servers
            }
        )

    async def failed(self) -> LocalError:
        """Never returns: validators in this process end with it."""
        await asyncio.Event().wait()
        raise asyncio.CancelledError

    async def close(self) -> None:
        """Stop serving, make everything durable, close the stores."""
        for server in self._servers:
            await server.close()
        for store in self._stores:
            store.close()
        self._threads.close()


class _LocalFirst:
    """Connects to the validators of this process directly, to others over gRPC."""

    def __init__(self, nodes: dict[str, ValidatorNode]) -> None:
        self._nodes = nodes
        self._remote: NodeProvider | None = None

    def connect(self, validator: Secp256k1PublicKey, address: str) -> ValidatorNode:
        """See `NodeProvider`."""
        found = self._nodes.get(address.lower())
        if found is not None:
            return found
        if self._remote is None:
            self._remote = _grpc_provider()
        return self._remote.connect(validator, address)


def _grpc_provider(root_certificates: bytes | None = None) -> "NodeProvider":
    from catenula.transport.grpc_client import GrpcOptions, GrpcProvider

    return GrpcProvider(GrpcOptions(root_certificates=root_certificates))


class ServersInProcesses:
    """A front door and worker processes per validator, watched by one supervisor.

    ``span`` hears of each validator that serves.
    """

    def __init__(self, files: DevnetFiles, *, lasting: bool, span: Span) -> None:
        self._files = files
        self._span = span
        self._supervisor: Supervisor | None = None
        self._validators: list[RunningValidator] = []

    async def start(self) -> None:
        """Start all processes; they serve when this returns. `LocalError` when one cannot."""
        from catenula.validator.supervisor import Supervisor

        self._supervisor = await Supervisor.start()
        for index, config in enumerate(self._files.servers):
            started = await self._supervisor.start_validator(
                replace(config, logs=_QUIET),
                self._files.folder.validator_storage(index),
                name=f"validator {index}",
                genesis=self._files.genesis,
            )
            self._validators.append(started)
        for number, validator in enumerate(self._validators):
            await validator.wait_ready()
            self._span.reached(number + 1)

    def provider(self) -> "NodeProvider":
        """Connections over gRPC, which trust the network's own certificate."""
        certificate = self._files.servers[0].certificate
        return _grpc_provider(None if certificate is None else certificate.read_bytes())

    async def failed(self) -> LocalError:
        """Why the network has stopped by itself, when it has."""
        if self._supervisor is not None:
            await self._supervisor.ended()
        return LocalError(
            "the process that watches over the validators has ended, and they with it; start the "
            "network again",
            retryable=False,
        )

    async def close(self) -> None:
        """Stop all processes."""
        if self._supervisor is not None:
            await self._supervisor.close()
