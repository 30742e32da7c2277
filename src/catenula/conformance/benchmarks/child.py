"""One experiment in a process of its own: ``python -m`` this module FIGURE FOLDER RUNS.

Prints the samples as JSON. What an experiment before it left in memory, on the heap or in settings
of the interpreter, is thus not part of what is measured.
"""

import json
import sys
from pathlib import Path

from catenula.conformance.benchmarks.experiments import ALL_EXPERIMENTS


def _measure(name: str, folder: Path, runs: int) -> list[dict[str, float]]:
    found = next(each for each in ALL_EXPERIMENTS if each.figures[0].name == name)
    return [dict(sample) for sample in found.measure(folder, runs)]


if __name__ == "__main__":
    samples = _measure(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.write(json.dumps(samples))
