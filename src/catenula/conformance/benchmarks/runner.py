"""Runs experiments one after the other, each in a process of its own and in a fresh folder."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from catenula.base.errors import LocalError
from catenula.conformance.benchmarks.figures import Experiment, Sample, Summary, summarize

_CHILD = "catenula.conformance.benchmarks.child"
_EXPERIMENT_TIMEOUT_S = 600

Progress = Callable[[str], None]
Measure = Callable[[Experiment, Path], Sequence[Sample]]
"""Makes all runs of an experiment in an empty folder."""


def measure_apart(experiment: Experiment, folder: Path) -> list[Sample]:
    """Measure one of the table of experiments in a new process; `LocalError` if it fails."""
    name, runs = experiment.figures[0].name, str(experiment.runs)
    done = subprocess.run(
        [sys.executable, "-m", _CHILD, name, folder, runs],
        check=False,
        stdout=subprocess.PIPE,
        timeout=_EXPERIMENT_TIMEOUT_S,
    )
    if done.returncode:
        raise LocalError(f"{name} could not be measured; see the error above", retryable=False)
    samples: list[Sample] = json.loads(done.stdout)
    return samples


def measure_here(experiment: Experiment, folder: Path) -> list[Sample]:
    """Measure in this process."""
    return list(experiment.measure(folder, experiment.runs))


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
    experiments: Sequence[Experiment],
    workspace: Path,
    *,
    progress: Progress,
    measure: Measure = measure_apart,
) -> dict[str, Summary]:
    """Run the experiments; ``progress`` hears about each before and after.

    Raises whatever stops an experiment; only one that misses what it needs is passed over.
    """
    summaries: dict[str, Summary] = {}
    for experiment in experiments:
        names = ", ".join(figure.name for figure in experiment.figures)
        missing = experiment.missing()
        if missing is not None:
            progress(f"{names}: NOT MEASURED, {missing}")
            continue
        progress(f"{names}: {experiment.runs} runs …")
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=".catenula-bench-", dir=workspace) as folder:
            samples = measure(experiment, Path(folder))
        for figure in experiment.figures:
            values = [sample[figure.name] for sample in samples]
            summaries[figure.name] = summarize(values, figure.unit)
        progress(f"{names}: done in {time.monotonic() - started:.1f} s")
    return summaries
