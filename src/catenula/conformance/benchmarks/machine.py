"""What machine the figures belong to."""

import os
import platform
from pathlib import Path

from catenula import __version__

_BYTES_PER_MB = 1_000_000


def describe_machine(folder: Path) -> dict[str, str | int]:
    """Processor, memory, system, versions, and the file system of the measured folder."""
    return {
        "processor": _processor(),
        "cores": _cores(),
        "memory_mb": _memory_mb(),
        "system": platform.platform(),
        "file_system": _file_system(folder),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "catenula": __version__,
    }


def _processor() -> str:
    for line in _lines(Path("/proc/cpuinfo")):
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    """Cores this process may use, which may be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_mb() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _BYTES_PER_MB


def _file_system(folder: Path) -> str:
    """The type of the innermost mount that holds the folder."""
    path = folder.resolve()
    holders = [
        (len(fields[1]), fields[2])
        for fields in (line.split() for line in _lines(Path("/proc/mounts")))
        if len(fields) > 2 and path.is_relative_to(fields[1])
    ]
    return max(holders)[1] if holders else "unknown"


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
