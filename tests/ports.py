"""Ports for programs that must be told theirs. Nothing holds a port between choosing and using it,
so the ranges are wide and random."""

import random
import socket

PORTS_PER_NETWORK = 7000
"""From the first port of a local network to the last of its layout (spec 08 §1.5)."""

_LOWEST, _HIGHEST = 15_000, 24_000
"""Below the range that systems give to outgoing connections."""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def free_port_range() -> int:
    """The base of a local network's port layout whose first public ports are free now."""
    chooser = random.Random()
    for _ in range(100):
        base = chooser.randrange(_LOWEST, _HIGHEST, 10)
        if all(
            _is_free(base + block + offset)
            for block in range(0, PORTS_PER_NETWORK, 1000)
            for offset in range(1, 10)
        ):
            return base
    raise AssertionError("no free range of ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
