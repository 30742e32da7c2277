"""The loader of applications that all nodes of a process share unless they are given another.

One per process, because compiled code is the same for all nodes. The engine is loaded with the
first application, so that a command that meets none does not pay for it. Compiled modules are kept
in the user's cache folder (``$XDG_CACHE_HOME/catenula/modules``, else below ``~/.cache``): what
lies there is executed, so that a folder which others may write to is not used.
"""

import os
import stat
import threading
from functools import cache
from pathlib import Path

from catenula.execution.applications import (
    ApplicationLoader,
    BytecodeSource,
    ContractModule,
    ServiceModule,
)
from catenula.protocol import ApplicationDescription


class DefaultApplications:
    """The Wasm engine, made when it is first needed; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loader: ApplicationLoader | None = None

    def is_ready(self, description: ApplicationDescription, *, service: bool) -> bool:
        """See `ApplicationLoader`."""
        return self._engine().is_ready(description, service=service)

    def contract(
        self, description: ApplicationDescription, bytecode: BytecodeSource
    ) -> ContractModule:
        """See `ApplicationLoader`."""
        return self._engine().contract(description, bytecode)

    def service(
        self, description: ApplicationDescription, bytecode: BytecodeSource
    ) -> ServiceModule:
        """See `ApplicationLoader`."""
        return self._engine().service(description, bytecode)

    def _engine(self) -> ApplicationLoader:
        with self._lock:
            if self._loader is None:
                from catenula.execution.wasm.loader import WasmApplications

                self._loader = WasmApplications(module_folder())
            return self._loader


@cache
def default_applications() -> ApplicationLoader:
    """The process's loader."""
    return DefaultApplications()


def module_folder() -> Path | None:
    """Where compiled modules are kept; None when there is no place that is this user's alone."""
    cache_home = os.environ.get("XDG_CACHE_HOME", "")
    try:
        base = Path(cache_home) if cache_home else Path.home() / ".cache"
    except RuntimeError:
        return None
    folder = base / "catenula" / "modules"
    try:
        facts = folder.stat()
    except FileNotFoundError:
        return folder
    except OSError:
        return None
    is_private = facts.st_uid == os.getuid() and not facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return folder if is_private else None
