"""Validators of several processes, started and watched from an event loop.

One `Supervisor` is one helper process that forks all the others (see `ProcessTree`); it may run
many validators, which then start faster than with one each. When this process ends, however it
ends, everything that it has started ends too.
"""

import asyncio
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from catenula.base.errors import LocalError
from catenula.protocol import GenesisConfig
from catenula.storage.location import check_shareable, parse_location
from catenula.validator.configuration import LogOptions, ServerConfig
from catenula.validator.process_spec import ValidatorSpec

STOP_SECONDS = 15.0
MAX_EVENT_BYTES = 1 << 20
FRONT_DOOR = "front door"


class RunningValidator:
    """One validator of several processes; made by `Supervisor.start_validator`."""

    def __init__(self, supervisor: "Supervisor", spec: ValidatorSpec, *, owns: bool) -> None:
        self._supervisor, self._spec, self._owns_supervisor = supervisor, spec, owns
        self.pids: dict[str, int] = {}
        """The running processes by role: ``front door``, ``worker 0`` …"""
        self.restarts = 0
        self.port = spec.config.listen.port
        self._ready: set[str] = set()
        self._changed = asyncio.Condition()
        self._error: str | None = None
        self._roles = {FRONT_DOOR} | {f"worker {n}" for n in range(spec.config.workers)}
        self._running = set(self._roles)

    @property
    def name(self) -> str:
        """The name it was started with."""
        return self._spec.name

    @property
    def is_running(self) -> bool:
        """Whether any of its processes runs."""
        return bool(self._running)

    @property
    def is_ready(self) -> bool:
        """Whether all processes serve, and the front door reaches every worker."""
        return self._ready >= self._roles | {"connected"}

    async def wait_ready(self) -> None:
        """Return once all processes serve; `LocalError` when one of them cannot."""
        await self._wait_for(lambda: self.is_ready)

    async def wait_restarted(self, role: str, pid: int) -> None:
        """Return once another process than ``pid`` serves in that role, and all others do."""
        await self._wait_for(lambda: self.is_ready and self.pids.get(role, pid) != pid)

    async def _wait_for(self, condition: Any) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: condition() or self._error is not None)
        if self._error is not None and not condition():
            raise LocalError(f"{self.name} cannot start: {self._error}", retryable=False)

    async def stop(self) -> None:
        """Stop all of its processes, the front door first, and return when they have ended."""
        await self._supervisor.stop_validator(self)
        if self._owns_supervisor:
            await self._supervisor.close()

    async def hear(self, event: dict[str, Any]) -> None:
        """Take note of an event of the supervisor."""
        role, kind = event["role"], event["event"]
        async with self._changed:
            if kind == "started":
                self.restarts += role in self.pids
                self.pids[role] = event["pid"]
                self._running.add(role)
            elif kind == "ready":
                self._ready.add(role)
                self.port = event.get("port", self.port)
            elif kind == "connected":
                self._ready.add("connected")
            elif kind == "failed":
                self._error = f"{role}: {event['error']}" if role not in self._ready else None
            elif kind == "ended":
                self._running.discard(role)
                self._ready.discard(role)
                if role == FRONT_DOOR:
                    self._ready.discard("connected")
            self._changed.notify_all()

    async def hear_end(self, reason: str) -> None:
        """The supervisor has ended."""
        async with self._changed:
            self._ready.clear()
            self._running.clear()
            self._error = reason
            self._changed.notify_all()


class Supervisor:
    """A helper process that starts, watches and restarts the processes of validators."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process, self.folder = process, folder
        self._validators: dict[str, RunningValidator] = {}
        self._all_ended = asyncio.Condition()
        self._reader = asyncio.get_running_loop().create_task(self._read_events())

    @classmethod
    async def start(cls, logs: LogOptions | None = None) -> "Supervisor":
        """Start the helper process; children need not be told anything yet."""
        logs = logs if logs is not None else LogOptions(level="warning")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "catenula.validator.supervise",
            logs.form,
            logs.level,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=MAX_EVENT_BYTES,
        )
        return cls(process, Path(tempfile.mkdtemp(prefix="catenula-")))

    @property
    def pid(self) -> int:
        """The helper process."""
        return self._process.pid

    async def ended(self) -> None:
        """Return when the helper process has ended, and with it everything it has started."""
        await self._process.wait()

    async def start_validator(
        self,
        config: ServerConfig,
        storage: str,
        *,
        name: str = "validator",
        genesis: GenesisConfig | None = None,
    ) -> RunningValidator:
        """Start the processes of a validator; see `RunningValidator.wait_ready`.

        Raises `LocalError` for a storage that several processes cannot share.
        """
        location = check_shareable(parse_location(storage)).engine_text()
        folder = self.folder / str(len(self._validators))
        spec = ValidatorSpec.make(config, location, folder, name=name, genesis=genesis)
        spec.endpoints()
        return await self.start_spec(spec)

    async def start_spec(self, spec: ValidatorSpec, *, owns: bool = False) -> RunningValidator:
        """Start the processes of a validator from its specification."""
        if spec.name in self._validators:
            raise LocalError(f"{spec.name} runs already; give another name", retryable=False)
        validator = RunningValidator(self, spec, owns=owns)
        self._validators[spec.name] = validator
        await self._tell({"start": spec.to_json()})
        return validator

    async def _tell(self, command: dict[str, Any]) -> None:
        if self._process.stdin is None or self._process.returncode is not None:
            raise LocalError("the supervisor of the processes has ended", retryable=False)
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        await self._process.stdin.drain()

    async def _read_events(self) -> None:
        if self._process.stdout is None:
            return
        async for line in self._process.stdout:
            event = json.loads(line)
            validator = self._validators.get(event["name"])
            if validator is not None:
                await validator.hear(event)
            if event["event"] == "ended":
                async with self._all_ended:
                    self._all_ended.notify_all()
        for validator in tuple(self._validators.values()):
            await validator.hear_end("the supervisor of its processes has ended")
        async with self._all_ended:
            self._all_ended.notify_all()

    async def stop_validator(self, validator: RunningValidator) -> None:
        """Stop one validator and return when its processes have ended."""
        if self._validators.get(validator.name) is not validator:
            return
        if self._process.returncode is None:
            await self._tell({"stop": validator.name})
            async with self._all_ended, asyncio.timeout(STOP_SECONDS):
                await self._all_ended.wait_for(lambda: not validator.is_running)
        self._validators.pop(validator.name, None)

    async def close(self) -> None:
        """Stop everything that was started, and the helper process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await asyncio.wait((self._reader,))
        shutil.rmtree(self.folder, ignore_errors=True)


async def start_validator_processes(
    config: ServerConfig,
    storage: str,
    *,
    name: str = "validator",
    genesis: GenesisConfig | None = None,
    supervisor: Supervisor | None = None,
) -> RunningValidator:
    """Start one validator as a front door and ``config.workers`` worker processes.

    Give a ``supervisor`` to start several from one helper process, which is faster. Raises
    `LocalError` for a storage that several processes cannot share.
    """
    if supervisor is not None:
        return await supervisor.start_validator(config, storage, name=name, genesis=genesis)
    own = await Supervisor.start(config.logs)
    try:
        location = check_shareable(parse_location(storage)).engine_text()
        spec = ValidatorSpec.make(config, location, own.folder / "0", name=name, genesis=genesis)
        return await own.start_spec(spec, owns=True)
    except BaseException:
        await own.close()
        raise
