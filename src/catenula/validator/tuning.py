"""Settings of the interpreter that validators need (docs/performance.md)."""

import sys

from catenula.base.collector import relax_collector

SWITCH_INTERVAL_SECONDS = 0.001
"""Threads that commit or run guests need the interpreter for moments; with the default of 5 ms one
that computes for long could keep the event loop waiting each time. Shorter ones cost more than they
bring: the event loop lets go of the interpreter by itself whenever it checks a signature."""


def tune_process() -> None:
    """Settings of the interpreter for a process that is a validator or a part of one."""
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    relax_collector()
