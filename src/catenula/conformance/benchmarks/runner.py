"""Runs experiments one after the other, each in a fresh folder on the disk to be measured."""

import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from catenula.base.errors import LocalError
from catenula.conformance.benchmarks.figures import Experiment, Summary, summarize
from catenula.conformance.benchmarks.local import DURABLE_BATCH, HELP

EXPERIMENTS: tuple[Experiment, ...] = (DURABLE_BATCH, HELP)
"""All experiments, in the order in which they run."""

Progress = Callable[[str], None]


def choose(names: Collection[str], experiments: Iterable[Experiment]) -> list[Experiment]:
    """The experiments that measure the named figures; all when no name is given.

    Raises `LocalError` for a name that no experiment measures.
    """
    known = list(experiments)
    figures = [figure.name for experiment in known for figure in experiment.figures]
    unknown = [name for name in names if name not in figures]
    if unknown:
        raise LocalError(
            f"no figure is called {', '.join(unknown)}; there are: {', '.join(figures)}",
            retryable=False,
        )
    return [
        experiment
        for experiment in known
        if not names or any(figure.name in names for figure in experiment.figures)
    ]


def run(
    experiments: Sequence[Experiment], workspace: Path, progress: Progress
) -> dict[str, Summary]:
    """Run the experiments; ``progress`` hears about each before and after.

    Raises whatever stops an experiment: a figure that cannot be measured is not left out.
    """
    summaries: dict[str, Summary] = {}
    for experiment in experiments:
        names = ", ".join(figure.name for figure in experiment.figures)
        progress(f"{names}: {experiment.runs} runs …")
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=".catenula-bench-", dir=workspace) as folder:
            samples = list(experiment.measure(Path(folder), experiment.runs))
        for figure in experiment.figures:
            values = [sample[figure.name] for sample in samples]
            summaries[figure.name] = summarize(values, figure.unit)
        progress(f"{names}: done in {time.monotonic() - started:.1f} s")
    return summaries
