"""How much memory this process has. Imports nothing heavy: a start that is measured pays for it."""

from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESIDENT = "VmRSS:"
_BYTES_PER_MB = 1_000_000


def resident_megabytes() -> float:
    """What the kernel counts as resident now; elsewhere the process's highest so far."""
    if _STATUS.is_file():
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith(_RESIDENT):
                return int(line.split()[1]) * 1024 / _BYTES_PER_MB
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _BYTES_PER_MB
