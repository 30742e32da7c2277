"""The supervisor's loop: starts processes by forking itself, and starts those that die again.

The process that runs this has imported everything its children need, and holds no thread, event
loop or connection, so that a fork is safe and a child starts in a few milliseconds. A child whose
supervisor is gone sees the end of the life pipe and stops. A child that dies is started again: at
once the first time, later with a growing pause.
"""

import gc
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from catenula.validator.child_process import GRACE_SECONDS, Job, report_to, run_job
from catenula.validator.logs import Log
from catenula.validator.process_spec import ValidatorSpec

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
HEALTHY_SECONDS = 10.0
"""Whoever ran so long is started again at once."""
KILL_SECONDS = GRACE_SECONDS + 3.0
"""A child that has not ended so long after SIGTERM is killed."""
READ_BYTES = 65_536

Emit = Callable[[dict[str, Any]], None]


class Child:
    """One place in the tree: a process that should run, and the one that runs there now."""

    def __init__(self, spec: ValidatorSpec, worker: int | None) -> None:
        self.spec, self.worker = spec, worker
        self.port = spec.config.listen.port if worker is None else 0
        self.pid: int | None = None
        self.events = -1
        self.buffer = b""
        self.started = 0.0
        self.failures = 0
        self.was_ready = False
        self.is_wanted = True
        self.due: float | None = None
        """When to start it again, or to kill it, if it is to stop."""

    @property
    def role(self) -> str:
        """For logs and events."""
        return "front door" if self.worker is None else f"worker {self.worker}"

    def pause(self, now: float) -> float:
        """Seconds until it is started again."""
        if now - self.started >= HEALTHY_SECONDS:
            self.failures = 0
        self.failures += 1
        if self.failures == 1:
            return 0.0
        return min(FIRST_PAUSE_SECONDS * 2.0 ** (self.failures - 2), LONGEST_PAUSE_SECONDS)


class ProcessTree:
    """The processes of any number of validators; ``emit`` hears what happens to them."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._children: list[Child] = []
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = socket.socketpair()
        self._life_read, self._life_write = os.pipe()
        self._log = Log("supervisor")
        self._is_stopping = False
        self._control: int | None = None
        self._commands = b""

    # What it is told

    def start(self, spec: ValidatorSpec) -> None:
        """Run a validator: its workers and its front door, all at once."""
        children = [Child(spec, number) for number in range(spec.config.workers)]
        for child in (Child(spec, None), *children):
            self._children.append(child)
            self._fork(child)

    def stop_validator(self, name: str) -> None:
        """Stop the processes of one validator, the front door first."""
        self._stop([child for child in self._children if child.spec.name == name])

    def stop(self) -> None:
        """Stop everything; `run` returns when all have ended."""
        self._is_stopping = True
        self._stop(self._children)

    def _stop(self, children: list[Child]) -> None:
        for child in sorted(children, key=lambda child: child.worker is not None):
            child.is_wanted = False
            child.due = time.monotonic() + KILL_SECONDS
            if child.pid is not None:
                os.kill(child.pid, signal.SIGTERM)

    # The loop

    def run(self, control: int | None = None) -> None:
        """Look after the children until `stop`, a signal, or the end of the control pipe."""
        self._control = control
        for side in (self._wake_read, self._wake_write):
            side.setblocking(False)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _wake_only)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        self._selector.register(self._wake_read, selectors.EVENT_READ, self._drain)
        if control is not None:
            self._selector.register(control, selectors.EVENT_READ, self._read_commands)
        while not (self._is_stopping and not self._children):
            for key, _ in self._selector.select(self._patience()):
                key.data()
            self._reap()
            self._act_on_time()

    def _patience(self) -> float | None:
        due = [child.due for child in self._children if child.due is not None]
        return max(min(due) - time.monotonic(), 0.0) if due else None

    def _drain(self) -> None:
        try:
            while self._wake_read.recv(READ_BYTES):
                continue
        except BlockingIOError:
            return

    def _read_commands(self) -> None:
        data = os.read(self._control if self._control is not None else -1, READ_BYTES)
        if not data:
            self._selector.unregister(self._control if self._control is not None else -1)
            self.stop()
            return
        *lines, self._commands = (self._commands + data).split(b"\n")
        for line in lines:
            command = json.loads(line)
            if "start" in command:
                self.start(ValidatorSpec.from_json(command["start"]))
            else:
                self.stop_validator(command["stop"])

    # Children

    def _fork(self, child: Child) -> None:
        read, write = os.pipe()
        child.due, child.started, child.buffer = None, time.monotonic(), b""
        pid = os.fork()
        if pid == 0:
            os.close(read)
            self._be_child(child, write)
        os.close(write)
        child.pid, child.events = pid, read
        self._selector.register(read, selectors.EVENT_READ, lambda: self._read_events(child))
        self._report(child, {"event": "started"})

    def _be_child(self, child: Child, events: int) -> None:
        """In the new process: let go of what is the supervisor's, run, and end without return."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            # An interrupt from the terminal reaches the supervisor, which stops all in order.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            self._close_all()
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 0)
            os.dup2(2, 1)
            job = Job(child.spec, child.worker, child.port, self._life_read, report_to(events))
            code = run_job(job)
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _close_all(self) -> None:
        self._selector.close()
        os.close(self._life_write)
        self._wake_read.close()
        self._wake_write.close()
        if self._control is not None:
            os.close(self._control)
        for other in self._children:
            if other.events >= 0:
                os.close(other.events)

    def _read_events(self, child: Child) -> None:
        data = os.read(child.events, READ_BYTES)
        if not data:
            self._close_events(child)
            return
        *lines, child.buffer = (child.buffer + data).split(b"\n")
        for line in lines:
            event = json.loads(line)
            if event["event"] == "ready":
                child.was_ready = True
                child.port = event.get("port", child.port)
            self._report(child, event)

    def _close_events(self, child: Child) -> None:
        if child.events >= 0:
            self._selector.unregister(child.events)
            os.close(child.events)
            child.events = -1

    def _report(self, child: Child, event: dict[str, Any]) -> None:
        place = {"name": child.spec.name, "role": child.role, "pid": child.pid}
        self._emit({**place, **event})

    def _reap(self) -> None:
        for child in tuple(self._children):
            if child.pid is None:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: Child, code: int) -> None:
        if child.events >= 0:
            os.set_blocking(child.events, False)
            self._read_last_events(child)
            self._close_events(child)
        self._report(child, {"event": "ended", "status": code})
        pid, child.pid = child.pid, None
        if not child.is_wanted:
            self._children.remove(child)
            return
        now = time.monotonic()
        pause = child.pause(now)
        if not child.was_ready and child.failures > 1:
            pause = max(pause, 1.0)
        child.due = now + pause
        self._log.warning(
            "a process ended and is started again",
            validator=child.spec.name,
            role=child.role,
            pid=pid,
            status=code,
            pause_seconds=pause,
        )

    def _read_last_events(self, child: Child) -> None:
        try:
            while child.events >= 0:
                self._read_events(child)
        except BlockingIOError:
            return

    def _act_on_time(self) -> None:
        now = time.monotonic()
        for child in tuple(self._children):
            if child.due is None or child.due > now:
                continue
            if child.is_wanted:
                self._fork(child)
            elif child.pid is None:
                self._children.remove(child)
            else:
                child.due = None
                self._log.warning("a process does not stop and is killed", role=child.role)
                os.kill(child.pid, signal.SIGKILL)


def _wake_only(number: int, frame: object) -> None:
    """The wake-up descriptor tells the loop."""


def warm_up() -> None:
    """Import and build what children need, once, before the first fork."""
    import hpack
    import httptools
    import uvloop

    import catenula.storage.sqlite
    import catenula.transport.public_port
    from catenula.transport.messages.table import new_message

    modules = (hpack, httptools, uvloop, catenula.storage.sqlite, catenula.transport.public_port)
    new_message("Empty")
    gc.collect()
    gc.freeze()
    Log("supervisor").debug("warm", modules=len(modules))
