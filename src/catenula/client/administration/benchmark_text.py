"""A benchmark's report as text: JSON, YAML, Markdown, or a few lines."""

import json
import re
from collections.abc import Callable
from typing import Any

_PLAIN = re.compile(r"[A-Za-z_][\w. /+-]*")
_YAML_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))
_SHOWN_DIGITS = 10

Report = dict[str, Any]


def as_json(report: Report) -> str:
    """The whole report."""
    return json.dumps(report, indent=2, ensure_ascii=False)


def as_yaml(report: Report) -> str:
    """The whole report."""
    return "\n".join(_yaml_lines(report))


def _yaml_lines(value: Any) -> list[str]:
    """The lines of an object or a list, without indentation of their own."""
    lines = []
    items = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    for name, item in items:
        head = "-" if name is None else f"{_yaml_scalar(name)}:"
        if not isinstance(item, dict | list) or not item:
            lines.append(f"{head} {_yaml_scalar(item)}")
            continue
        inner = _yaml_lines(item)
        if name is None:
            lines += [f"- {inner[0]}", *(f"  {line}" for line in inner[1:])]
        else:
            lines += [head, *(f"  {line}" for line in inner)]
    return lines


def _yaml_scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _YAML_WORDS:
        return value.strip() if value == value.strip() else json.dumps(value)
    return json.dumps(value, ensure_ascii=False)


# Headlines


def headlines(report: Report) -> list[tuple[str, str]]:
    """What is worth knowing first, as far as it was measured."""
    rows: list[tuple[str, str]] = []
    for name, describe in _HEADLINES.items():
        layer = report["layers"].get(name)
        if layer is not None:
            rows += describe(layer)
    rows.append(("errors", str(count_errors(report["layers"]))))
    return rows


def _preflight_headlines(layer: Report) -> list[tuple[str, str]]:
    return [
        ("preflight", layer["status"]),
        ("round trip p50 / p99", _pair(layer["rtt_ms"], "p50", "p99")),
    ]


def _sync_headlines(layer: Report) -> list[tuple[str, str]]:
    blocks = f"{layer['blocks_accepted']} of {layer['blocks_attempted']}"
    return [("blocks pushed", f"{blocks}, {layer['blocks_per_sec']:g} /s")]


def _baseline_headlines(layer: Report) -> list[tuple[str, str]]:
    return [
        (f"read {_short(row)} p50 / p99", _pair(row["latency_ms"], "p50", "p99"))
        for row in layer["per_chain"]
    ]


def _stress_headlines(layer: Report) -> list[tuple[str, str]]:
    rows = []
    for row in layer["per_chain"]:
        best = max(row["levels"], key=lambda level: level["throughput_per_sec"], default=None)
        if best is not None:
            text = f"{best['throughput_per_sec']:g} /s at {best['concurrency']} at a time"
            rows.append((f"most reads {_short(row)}", text))
    return rows


def _bulk_headlines(layer: Report) -> list[tuple[str, str]]:
    rows = []
    for row in layer["per_chain"]:
        best = max(row["runs"], key=lambda run: run["certs_per_sec"], default=None)
        if best is not None:
            text = f"{best['mb_per_sec']:g} MB/s, {best['certs_per_sec']:g} certificates/s"
            rows.append((f"download {_short(row)}", text))
    return rows


def _lag_headlines(layer: Report) -> list[tuple[str, str]]:
    return [
        (f"behind {_short(row)}", f"{row['samples'][-1]['lag_blocks']} blocks, {row['trend']}")
        for row in layer["per_chain"]
        if row["samples"]
    ]


_HEADLINES: dict[str, Callable[[Report], list[tuple[str, str]]]] = {
    "preflight": _preflight_headlines,
    "partial_sync": _sync_headlines,
    "read_baseline": _baseline_headlines,
    "read_stress": _stress_headlines,
    "bulk_download": _bulk_headlines,
    "tip_lag": _lag_headlines,
}


def _short(row: Report) -> str:
    return f"{row['chain_id'][:_SHOWN_DIGITS]}…"


def _pair(stats: Report, first: str, second: str) -> str:
    if "p50" not in stats:
        return "no answer"
    return f"{stats[first]:g} / {stats[second]:g} ms"


def count_errors(value: Any) -> int:
    """All errors below a part of the report."""
    if isinstance(value, list):
        return sum(count_errors(item) for item in value)
    if not isinstance(value, dict):
        return 0
    own = sum(value["errors"].values()) if "errors" in value else 0
    return int(own) + sum(count_errors(item) for name, item in value.items() if name != "errors")


def as_brief(report: Report) -> str:
    """The headlines, one a line."""
    rows = headlines(report)
    width = max(len(label) for label, _ in rows)
    head = f"{report['candidate']['address']} from {report['observer']['location']}"
    return "\n".join([head, *(f"{label:<{width}}  {text}" for label, text in rows)])


def as_markdown(report: Report) -> str:
    """The headlines, then a table per layer."""
    lines = [f"# Benchmark of {report['candidate']['address']}", "", "## Summary", ""]
    lines += _table([("", "")], [list(row) for row in headlines(report)])
    for name, layer in report["layers"].items():
        lines += ["", f"## {name.replace('_', ' ').capitalize()}", "", *_layer_lines(layer)]
    return "\n".join(lines)


def _layer_lines(layer: Report) -> list[str]:
    if "per_chain" not in layer:
        return _table([("", "")], [[name, _cell(value)] for name, value in layer.items()])
    lines: list[str] = []
    for row in layer["per_chain"]:
        lines += [f"Chain `{row['chain_id']}`", ""]
        parts = next((value for value in row.values() if isinstance(value, list)), [row])
        shown = [{k: v for k, v in part.items() if k != "chain_id"} for part in parts]
        if shown:
            cells = [[_cell(value) for value in part.values()] for part in shown]
            lines += [*_table([tuple(shown[0])], cells), ""]
    return lines


def _cell(value: Any) -> str:
    if isinstance(value, dict) and "count" in value:
        return f"p50 / p99 {_pair(value, 'p50', 'p99')}, {value['count']} calls"
    return str(value)


def _table(head: list[tuple[str, ...]], rows: list[list[str]]) -> list[str]:
    heading = head[0]
    lines = [f"| {' | '.join(heading)} |", f"|{'---|' * len(heading)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


FORMATS: dict[str, Callable[[Report], str]] = {
    "json": as_json,
    "yaml": as_yaml,
    "md": as_markdown,
    "brief": as_brief,
}
"""The forms of a report by name."""
