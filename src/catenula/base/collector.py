"""Python's cyclic collector, which finds little in this program (docs/performance.md).

Loading code makes a hundred thousand objects that live as long as the program. With its default
thresholds the collector looks at them dozens of times, a twentieth of the time a program needs to
start. This module must stay free of imports that are not loaded anyway.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_THRESHOLDS = (20_000, 20, 50)
"""Blocks and certificates in caches are immutable and acyclic, but the collector looks at all of
them in every full pass; with the default thresholds that costs a fifth of the work."""


def relax_collector() -> None:
    """Have the collector look less often: for validators, and for commands, which load much."""
    gc.set_threshold(*_THRESHOLDS)


@contextmanager
def collector_paused() -> Iterator[None]:
    """No passes of the collector while code is loaded."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
