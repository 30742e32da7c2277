"""A running local network behind real ports: what ``catenula net up`` starts.

`Devnet` owns the validators, in this process or in processes of their own, and the faucet. It is
ready when every public port has answered; closing it ends everything it started.
"""

import gc
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from catenula.base.errors import LocalError
from catenula.execution.applications import NativeApplications
from catenula.network.devnet_files import DevnetFiles
from catenula.network.probe import await_answer
from catenula.storage.engine import Store, open_store
from catenula.validator.clock import SystemClock
from catenula.validator.committer import CommitThreads
from catenula.validator.configuration import ServerConfig
from catenula.validator.server import Surroundings, ValidatorServer, start_validator_server

_SWITCH_INTERVAL_SECONDS = 0.0002
_GC_THRESHOLDS = (20_000, 20, 50)


class EmbeddedServers:
    """All validators of a network in this process, each behind its port."""

    def __init__(self, files: DevnetFiles, *, lasting: bool) -> None:
        self._files, self._lasting = files, lasting
        self._threads = CommitThreads()
        self._stores: list[Store] = []
        self.servers: list[ValidatorServer] = []

    async def start(self) -> None:
        """Open the stores and listen; `LocalError` names a port that is taken."""
        gc.set_threshold(*_GC_THRESHOLDS)
        sys.setswitchinterval(_SWITCH_INTERVAL_SECONDS)
        surroundings = Surroundings(SystemClock(), NativeApplications(), self._threads)
        for index, config in enumerate(self._files.servers):
            store = open_store(self._location(index))
            self._stores.append(store)
            server = await start_validator_server(
                config, store, genesis=self._files.genesis, surroundings=surroundings
            )
            self.servers.append(server)

    def _location(self, index: int) -> str:
        return self._files.folder.validator_storage(index) if self._lasting else "memory:"

    async def close(self) -> None:
        """Stop serving, make everything durable, close the stores."""
        for server in self.servers:
            await server.close()
        for store in self._stores:
            store.close()
        self._threads.close()
