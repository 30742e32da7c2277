"""Parts of a comparison in processes of their own, whose reports are added up in order."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from catenula.base.errors import LocalError
from catenula.conformance.report import Report

Part = Callable[..., Report]


def run_parts(part: Part, arguments: Sequence[tuple[Any, ...]], *, processes: int | None) -> Report:
    """Call ``part`` with each of the arguments, at most ``processes`` at once.

    None means as many as there are processors. Raises the first `LocalError` of a part.
    """
    report = Report()
    count = min(processes or os.cpu_count() or 1, len(arguments))
    if count == 1:
        for given in arguments:
            report.merge(part(*given))
        return report
    calls = [(part, given) for given in arguments]
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as executor:
        for found in executor.map(_run, calls):
            if isinstance(found, str):
                raise LocalError(found, retryable=False)
            report.merge(found)
    return report


def _run(call: tuple[Part, tuple[Any, ...]]) -> Report | str:
    """The report, or what went wrong: errors with more than a text do not cross processes."""
    part, given = call
    try:
        return part(*given)
    except LocalError as error:
        return str(error)
