"""Playing whole runs: every validator by itself, several at once in processes of their own."""

import asyncio
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from catenula.conformance.parallel import run_parts
from catenula.conformance.report import Report
from catenula.conformance.traffic.exceptions import Exceptions, exceptions_of
from catenula.conformance.traffic.player import ValidatorPlayer
from catenula.conformance.traffic.recording import RecordedTraffic, find_traffic, read_traffic
from catenula.execution.wasm.loader import WasmApplications


def run_traffic(paths: Iterable[Path], *, processes: int | None = None) -> Report:
    """Play all runs at ``paths``: folders of runs, or folders of those.

    Uses as many processes as there are processors, or as said. Raises `LocalError` for a path
    without recorded calls, for files that cannot be read, and for too many listed exceptions.
    """
    parts = [
        (folder, index) for folder in find_traffic(paths) for index in _read(folder).validators
    ]
    return run_parts(_play_part, parts, processes=processes)


def play_validator(traffic: RecordedTraffic, index: int, exceptions: Exceptions) -> Report:
    """Play one validator of a run; the report counts its calls."""

    async def play() -> Report:
        player = ValidatorPlayer(traffic, index, exceptions, applications=_applications())
        await player.play(exceptions.in_order(traffic.events))
        return player.report

    return asyncio.run(play())


def _play_part(folder: Path, index: int) -> Report:
    traffic = _read(folder)
    exceptions = exceptions_of(traffic.run.name)
    exceptions.check(traffic.run.name, traffic.events)
    return play_validator(traffic, index, exceptions)


@lru_cache(maxsize=1)
def _applications() -> WasmApplications:
    """Compiled code is the same for all validators, as for nodes that share a process."""
    return WasmApplications()


@lru_cache(maxsize=1)
def _read(folder: Path) -> RecordedTraffic:
    """One run at a time is kept, because the parts of a run follow each other."""
    return read_traffic(folder)
