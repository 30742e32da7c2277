"""Figures of a whole process: the time to start a network, and what an idle one holds in memory."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catenula.base.errors import LocalError
from catenula.conformance.benchmarks.figures import Experiment, Figure, Sample, at_most

_STANDING = "catenula.conformance.benchmarks.standing"
_END_TIMEOUT_S = 30
_IDLE_S = 2.0
_START_RUNS = 9


@contextmanager
def _standing_network() -> Iterator[subprocess.Popen[str]]:
    """A process of its own with an embedded network; ends when it is left."""
    process = subprocess.Popen(
        [sys.executable, "-m", _STANDING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process
        if process.stdin is not None:
            process.stdin.close()
        status = process.wait(_END_TIMEOUT_S)
        if status:
            raise LocalError(f"the network's process ended with status {status}", retryable=False)


def _hear(process: subprocess.Popen[str]) -> str:
    return process.stdout.readline().strip() if process.stdout is not None else ""


def _ask(process: subprocess.Popen[str], question: str) -> str:
    if process.stdin is not None:
        process.stdin.write(f"{question}\n")
        process.stdin.flush()
    return _hear(process)


def _expect(answer: str, wanted: str) -> None:
    if answer != wanted:
        raise LocalError(f"the network's process said {answer!r}, not {wanted!r}", retryable=False)


def _start_milliseconds(_: Path, runs: int) -> Iterator[Sample]:
    """From starting the interpreter to a funded chain whose next block can be committed."""
    _timed_start()
    for _run in range(runs):
        yield {"network_start_ms": _timed_start()}


def _timed_start() -> float:
    started = time.perf_counter_ns()
    with _standing_network() as process:
        _expect(_hear(process), "ready")
        took = time.perf_counter_ns() - started
        _expect(_ask(process, "block"), "final")
    return took / 1e6


def _idle_megabytes(_: Path, runs: int) -> Iterator[Sample]:
    """Resident memory of the process of an idle network, its interpreter included."""
    for _run in range(runs):
        with _standing_network() as process:
            _expect(_hear(process), "ready")
            _expect(_ask(process, "block"), "final")
            time.sleep(_IDLE_S)
            yield {"idle_memory_mb": float(_ask(process, "memory"))}


START = Experiment(
    (Figure("network_start_ms", "ms", at_most(300)),), _start_milliseconds, runs=_START_RUNS
)
IDLE_MEMORY = Experiment((Figure("idle_memory_mb", "MB", at_most(120)),), _idle_megabytes)
