"""``catenula validator benchmark``: numbers about a validator before it joins the committee."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click

from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.identifiers import ChainId
from catenula.cli.admin.nodes import PUBLIC_KEY
from catenula.cli.command import Invocation, command
from catenula.cli.parameters import CHAIN_ID
from catenula.cli.session import Session
from catenula.client.administration.benchmark import BenchmarkPlan, prepare_benchmark
from catenula.client.administration.benchmark_text import FORMATS

_COUNT = click.IntRange(min=1)
_SECONDS = click.FloatRange(min=0)


class Target(NamedTuple):
    """Where a report goes; without a path to stdout."""

    format: str
    path: Path | None


class _Numbers(click.ParamType[Any]):
    """Numbers separated by commas."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        parts = value.split(",")
        if not all(part.strip().isdigit() and int(part) for part in parts):
            self.fail(f"{value!r} is no list of numbers such as 1,2,4", param, ctx)
        return tuple(int(part) for part in parts)


class _Heights(click.ParamType[Any]):
    """``auto`` or ``FROM:TO``."""

    name = "heights"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value in (None, "auto") or not isinstance(value, str):
            return None
        match = re.fullmatch(r"(\d+):(\d+)", value)
        if match is None or int(match[1]) > int(match[2]):
            self.fail(f"{value!r} is neither auto nor FROM:TO", param, ctx)
        return int(match[1]), int(match[2])


def _skip(name: str) -> Callable[[Any], Any]:
    return click.option(
        f"--skip-{name}", is_flag=True, help=f"Leave out: {name.replace('-', ' ')}."
    )


@command()
@click.argument("address")
@click.option("--public-key", type=PUBLIC_KEY, help="Its key, to check its signatures.")
@click.option(
    "--chain", "chains", type=CHAIN_ID, multiple=True, required=True, help="A chain to ask about."
)
@_skip("preflight")
@_skip("read-baseline")
@_skip("read-stress")
@_skip("bulk-download")
@_skip("tip-lag")
@click.option("--deep", is_flag=True, help="First push blocks to it, which stay there.")
@click.option("--deep-blocks", type=_COUNT, default=1000, show_default=True, help="So many.")
@click.option("--deep-chain", type=CHAIN_ID, help="Of this chain (default: the first --chain).")
@click.option("--baseline-requests", type=_COUNT, default=200, show_default=True)
@click.option("--stress-levels", type=_Numbers(), default="1,2,4,8,16,32,64", show_default=True)
@click.option("--stress-duration-secs", type=_SECONDS, default=30, show_default=True)
@click.option("--bulk-batch-size", type=_COUNT, default=100, show_default=True)
@click.option("--bulk-concurrency", type=_Numbers(), default="1,8", show_default=True)
@click.option("--bulk-height-range", type=_Heights(), default="auto", metavar="auto|FROM:TO")
@click.option("--tip-lag-samples", type=_COUNT, default=3, show_default=True)
@click.option("--tip-lag-interval-secs", type=_SECONDS, default=120, show_default=True)
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="FORMAT[:FILE]",
    help="json, yaml, md or brief; to stdout without a file; may be repeated.  [default: md]",
)
@click.option("--observer-location", default="unspecified", help="Where this runs, for the report.")
@click.option("--no-progress", is_flag=True, help="Say nothing while it runs.")
@click.option("--rpc-timeout-secs", type=_SECONDS, default=30, show_default=True)
@click.option("--abort-on-preflight-fail", is_flag=True, help="Stop when it is not reachable.")
def benchmark(
    invocation: Invocation,
    address: str,
    public_key: Secp256k1PublicKey | None,
    chains: tuple[ChainId, ...],
    outputs: tuple[str, ...],
    no_progress: bool,
    **options: Any,
) -> None:
    """Measure the validator at ADDRESS: reachable, how fast, how far behind.

    Reading is measured on chains that it has; with --deep it is given blocks first. The report has
    numbers and no verdict.
    """
    targets = parse_targets(outputs, as_json=invocation.output.as_json)
    plan = _plan(chains, options)

    async def body(session: Session) -> None:
        run = await prepare_benchmark(session.client, address, plan, public_key=public_key)
        run.say = (lambda _: None) if no_progress else session.output.note
        run.flush = lambda report: write_files(report, targets)
        report = await run.run()
        write_files(report, targets)
        for target in targets:
            if target.path is None:
                click.echo(FORMATS[target.format](report))

    invocation.run(body)


def _plan(chains: tuple[ChainId, ...], options: dict[str, Any]) -> BenchmarkPlan:
    layers = ("preflight", "read_baseline", "read_stress", "bulk_download", "tip_lag")
    return BenchmarkPlan(
        chains,
        frozenset(layer for layer in layers if options[f"skip_{layer}"]),
        options["deep_blocks"] if options["deep"] else 0,
        options["deep_chain"],
        baseline_requests=options["baseline_requests"],
        stress_levels=options["stress_levels"],
        stress_seconds=options["stress_duration_secs"],
        bulk_batch_size=options["bulk_batch_size"],
        bulk_concurrency=options["bulk_concurrency"],
        bulk_range=options["bulk_height_range"],
        lag_samples=options["tip_lag_samples"],
        lag_interval_seconds=options["tip_lag_interval_secs"],
        timeout_seconds=options["rpc_timeout_secs"],
        abort_on_preflight_fail=options["abort_on_preflight_fail"],
        observer_location=options["observer_location"],
    )


def parse_targets(outputs: tuple[str, ...], *, as_json: bool) -> list[Target]:
    """Where the report goes: each text may hold several, separated by ``,`` or ``+``."""
    found = []
    for part in re.split(r"[,+]", ",".join(outputs)):
        name, _, path = part.strip().partition(":")
        if name and name not in FORMATS:
            raise click.BadParameter(
                f"{name!r} is no format; there are {', '.join(FORMATS)}", param_hint="--output"
            )
        if name:
            found.append(Target(name, Path(path) if path else None))
    return found or [Target("json" if as_json else "md", None)]


def write_files(report: dict[str, Any], targets: list[Target]) -> None:
    """Write the reports that go to files."""
    for target in targets:
        if target.path is not None:
            target.path.write_text(FORMATS[target.format](report) + "\n")
