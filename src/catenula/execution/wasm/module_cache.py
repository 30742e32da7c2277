"""`ModuleCache`: compiled modules, in memory for this process and on disk for the next.

Keyed by the hash of the bytecode blob, by kind, and by everything the machine code depends on: the
engine's version and settings, the processor, and the version of the rewriting. A file begins with a
checksum of the rest; one that is damaged or from elsewhere is compiled again. Files appear by
renaming, so processes may share a folder, and the least recently used go when there are too many.

What lies in the folder is executed, so a folder that others may write to is not used at all. A
cache that cannot be used costs time and nothing else.
"""

import os
import stat
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from catenula.base.identifiers import CryptoHash
from catenula.base.limits import (
    MAX_COMPILED_MODULES,
    MAX_MODULE_CACHE_BYTES,
    MAX_REFUSED_MODULES,
)
from catenula.execution.errors import ExecutionError
from catenula.execution.wasm.binary import ModuleRefused
from catenula.execution.wasm.engine import CompiledModule, Engine
from catenula.execution.wasm.library import engine_version
from catenula.execution.wasm.prepare import Prepared

FORMAT = 3
"""Grows with every change of rewriting, of what is acceptable, or of engine settings."""

_SUFFIX = ".module"
_UNFINISHED = "unfinished-"
_CHECKSUM_BYTES = 32
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class ModuleCache:
    """Compiled modules of one engine; safe to use from any thread."""

    def __init__(self, engine: Engine, folder: Path | None) -> None:
        self._engine, self._folder = engine, folder
        self._modules: OrderedDict[CryptoHash, CompiledModule] = OrderedDict()
        self._lock = threading.Lock()
        self._compiling: dict[CryptoHash, threading.Lock] = {}
        self._refused: OrderedDict[CryptoHash, ModuleRefused] = OrderedDict()

    def __contains__(self, blob_hash: CryptoHash) -> bool:
        return (
            blob_hash in self._modules
            or blob_hash in self._refused
            or (self._folder is not None and self._path(self._folder, blob_hash).exists())
        )

    def get(self, blob_hash: CryptoHash, code: Callable[[], Prepared]) -> CompiledModule:
        """The compiled module; ``code`` gives what the engine is to compile if nobody has yet.

        Raises what ``code`` raises, and `ExecutionError` for a module the engine refuses. That a
        module is refused for good (`ModuleRefused`) is remembered, so that the next one who asks
        need not wait for it.
        """
        with self._lock:
            module = self._modules.get(blob_hash)
            if module is not None:
                self._modules.move_to_end(blob_hash)
                return module
            self._raise_refusal(blob_hash)
            compiling = self._compiling.setdefault(blob_hash, threading.Lock())
        try:
            with compiling:
                self._raise_refusal(blob_hash)
                return self._modules.get(blob_hash) or self._keep(
                    blob_hash, self._load(blob_hash) or self._compile(blob_hash, code())
                )
        except ModuleRefused as refusal:
            self._remember(blob_hash, refusal)
            raise
        finally:
            with self._lock:
                self._compiling.pop(blob_hash, None)

    def _keep(self, blob_hash: CryptoHash, module: CompiledModule) -> CompiledModule:
        with self._lock:
            self._modules[blob_hash] = module
            while len(self._modules) > MAX_COMPILED_MODULES:
                self._modules.popitem(last=False)
        return module

    def _remember(self, blob_hash: CryptoHash, refusal: ModuleRefused) -> None:
        with self._lock:
            self._refused[blob_hash] = ModuleRefused(refusal.code, **refusal.fields)
            while len(self._refused) > MAX_REFUSED_MODULES:
                self._refused.popitem(last=False)

    def _raise_refusal(self, blob_hash: CryptoHash) -> None:
        refusal = self._refused.get(blob_hash)
        if refusal is not None:
            # Whoever catches it adds where it happened: each gets one of its own.
            raise ModuleRefused(refusal.code, **refusal.fields)

    def _compile(self, blob_hash: CryptoHash, prepared: Prepared) -> CompiledModule:
        module = self._engine.compile(prepared.code, is_hard=prepared.is_hard)
        if self._folder is not None:
            self._write(self._folder, blob_hash, module.serialize())
        return module

    # Files

    def _path(self, folder: Path, blob_hash: CryptoHash) -> Path:
        kind = "contract" if self._engine.is_contract else "service"
        facts = f"{FORMAT} {kind} {engine_version()} {_processor()}"
        name = sha256(facts.encode() + bytes(blob_hash)).hexdigest()[:40]
        return folder / f"{name}{_SUFFIX}"

    def _load(self, blob_hash: CryptoHash) -> CompiledModule | None:
        if self._folder is None or not _is_private(self._folder):
            return None
        path = self._path(self._folder, blob_hash)
        try:
            stored = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        compiled = memoryview(stored)[_CHECKSUM_BYTES:]
        if sha256(compiled).digest() != stored[:_CHECKSUM_BYTES]:
            return None
        try:
            return self._engine.deserialize(compiled)
        except ExecutionError:
            return None

    def _write(self, folder: Path, blob_hash: CryptoHash, compiled: bytes) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_private(folder):
                return
            descriptor, name = tempfile.mkstemp(dir=folder, prefix=_UNFINISHED, suffix=_SUFFIX)
            with os.fdopen(descriptor, "wb") as file:
                file.write(sha256(compiled).digest() + compiled)
            Path(name).replace(self._path(folder, blob_hash))
            _shrink(folder)
        except OSError:
            return


def _is_private(folder: Path) -> bool:
    """Whether only this user, or the administrator, can have put something there."""
    try:
        facts = folder.stat()
    except OSError:
        return False
    return facts.st_uid in (os.geteuid(), 0) and not facts.st_mode & _OTHERS_MAY_WRITE


def _shrink(folder: Path) -> None:
    """Remove what is too much, oldest first; files that a killed process left count like others."""
    files = []
    for path in folder.glob(f"*{_SUFFIX}"):
        facts = path.stat()
        files.append((facts.st_mtime_ns, facts.st_size, path))
    kept = 0
    for _, size, path in sorted(files, reverse=True):
        kept += size
        if kept > MAX_MODULE_CACHE_BYTES:
            path.unlink(missing_ok=True)


@lru_cache(maxsize=1)
def _processor() -> str:
    """Features of the processor that compiled code may use, where the system tells."""
    try:
        with Path("/proc/cpuinfo").open() as lines:
            return next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        return ""
