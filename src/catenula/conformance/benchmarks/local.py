"""The figure that needs no network: the start of the command."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from catenula.base.errors import LocalError
from catenula.conformance.benchmarks.figures import Experiment, Figure, Sample, at_most

_HELP_TIMEOUT_S = 30
_HELP_RUNS = 9


def _help_milliseconds(_: Path, runs: int) -> Iterator[Sample]:
    """Milliseconds from starting the command to its end."""
    _start_help()
    for _run in range(runs):
        yield {"help_ms": _start_help()}


def _start_help() -> float:
    command = Path(sys.executable).with_name("catenula")
    if not command.is_file():
        raise LocalError(f"the command is not installed at {command}", retryable=False)
    started = time.perf_counter_ns()
    subprocess.run([command, "--help"], check=True, capture_output=True, timeout=_HELP_TIMEOUT_S)
    return (time.perf_counter_ns() - started) / 1e6


HELP = Experiment((Figure("help_ms", "ms", at_most(150)),), _help_milliseconds, runs=_HELP_RUNS)
