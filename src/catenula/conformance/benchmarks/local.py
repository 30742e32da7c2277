"""Figures that need no network: one durable commit on this disk, the start of the command."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from catenula.base.errors import LocalError
from catenula.conformance.benchmarks.figures import Experiment, Figure, Sample, at_most
from catenula.storage.batch import Batch
from catenula.storage.engine import Group, Store, open_store
from catenula.storage.shared import CHAIN_TAG, CONFIRMED_ROOT, HEIGHT_ROOT

_COMMITS_PER_RUN = 40
_HELP_TIMEOUT_S = 30
_HELP_RUNS = 9

_CERTIFICATE_BYTES = (520, 420)
"""Lite certificate of four validators, and a block with one transfer."""
_CHAIN_STATE_BYTES = (16, 20, 32, 32, 40, 48, 60, 60, 72, 90, 120, 160, 420, 520)
"""What one such block changes in its chain's state: registers, queue entries, votes."""


def _commit_milliseconds(folder: Path, runs: int) -> Iterator[Sample]:
    """Milliseconds of one commit, as the median of many."""
    with open_store(f"sqlite:{folder / 'durable.db'}") as store:
        for run in range(runs):
            first = run * _COMMITS_PER_RUN
            commits = (_timed_commit(store, first + index) for index in range(_COMMITS_PER_RUN))
            yield {"durable_batch_ms": statistics.median(commits)}


def _timed_commit(store: Store, number: int) -> float:
    groups = _typical_groups(number)
    started = time.perf_counter_ns()
    store.commit(groups)
    return (time.perf_counter_ns() - started) / 1e6


def _typical_groups(number: int) -> list[Group]:
    """The writes of one block with a transfer, with contents that do not repeat."""
    block_hash = number.to_bytes(32, "big")
    certificate, height, chain = Batch(), Batch(), Batch()
    for tag, size in enumerate(_CERTIFICATE_BYTES):
        certificate.put(block_hash + bytes((tag,)), os.urandom(size))
    height.put(bytes(32) + number.to_bytes(8, "little"), block_hash)
    for tag, size in enumerate(_CHAIN_STATE_BYTES):
        chain.put(bytes((0, tag)), os.urandom(size))
    chain.put(b"\x04" + number.to_bytes(4, "big"), block_hash)
    return [(CONFIRMED_ROOT, certificate), (HEIGHT_ROOT, height), (CHAIN_TAG + bytes(32), chain)]


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


DURABLE_BATCH = Experiment((Figure("durable_batch_ms", "ms"),), _commit_milliseconds)
HELP = Experiment((Figure("help_ms", "ms", at_most(150)),), _help_milliseconds, runs=_HELP_RUNS)
