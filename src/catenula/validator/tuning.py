"""Settings of the interpreter that validators need (docs/performance.md)."""

import gc
import sys

SWITCH_INTERVAL_SECONDS = 0.0002
"""Threads that commit need the interpreter for a moment per statement; the default of 5 ms would
make each of them wait for the event loop."""

GC_THRESHOLDS = (20_000, 20, 50)
"""Blocks and certificates in caches are immutable and acyclic, but the collector looks at all of
them in every full pass; with the default thresholds that costs a fifth of the work."""


def tune_process() -> None:
    """Settings of the interpreter for a process that is a validator or a part of one."""
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    gc.set_threshold(*GC_THRESHOLDS)
