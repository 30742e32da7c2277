"""The figures as a JSON file for machines and as a table for people."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from catenula.base.errors import LocalError
from catenula.conformance.benchmarks.figures import Figure, Summary

_HEADINGS = ("figure", "median", "low", "high", "unit", "bar", "")
_JUDGEMENTS = {True: "kept", False: "MISSED", None: "not judged"}

Row = tuple[str, ...]


def write_json(path: Path, machine: Mapping[str, Any], summaries: Mapping[str, Summary]) -> None:
    """Write ``{"machine": …, "figures": {NAME: {median, low, high, unit}}}``; `LocalError`."""
    figures = {name: summary._asdict() for name, summary in summaries.items()}
    text = json.dumps({"machine": dict(machine), "figures": figures}, indent=2)
    try:
        path.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise LocalError(f"the figures cannot be written to {path}", retryable=False) from error


def table(figures: Mapping[str, Figure], summaries: Mapping[str, Summary]) -> Iterator[str]:
    """The lines of a table of all summaries, with their bars."""
    medians = {name: summary.median for name, summary in summaries.items()}
    rows: list[Row] = [_HEADINGS]
    rows += [_row(figures[name], summary, medians) for name, summary in summaries.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    for row in rows:
        cells = zip(row, widths, (str.ljust, *[str.rjust] * 3, *[str.ljust] * 3), strict=True)
        yield "  ".join(align(cell, width) for cell, width, align in cells).rstrip()


def _row(figure: Figure, summary: Summary, medians: Mapping[str, float]) -> Row:
    numbers = tuple(_number(value) for value in summary[:3])
    bar = figure.bar
    if bar is None:
        return (figure.name, *numbers, summary.unit, "", "reported")
    judgement = _JUDGEMENTS[bar.is_met(summary.median, medians)]
    return (figure.name, *numbers, summary.unit, bar.text, judgement)


def _number(value: float) -> str:
    """About four significant digits, whatever the size."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
