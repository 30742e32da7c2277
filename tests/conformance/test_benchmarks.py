"""The benchmarks: summaries, bars, the file and the table, and that set-ups are what they claim.

No time is judged here.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from catenula.base.errors import LocalError
from catenula.conformance.benchmarks import growth
from catenula.conformance.benchmarks.experiments import ALL_EXPERIMENTS, EXPERIMENTS
from catenula.conformance.benchmarks.figures import (
    Bar,
    Experiment,
    Figure,
    Sample,
    Summary,
    at_least,
    at_most,
    summarize,
)
from catenula.conformance.benchmarks.local import HELP
from catenula.conformance.benchmarks.machine import describe_machine
from catenula.conformance.benchmarks.networks import payment, running_network
from catenula.conformance.benchmarks.processes import IDLE_MEMORY
from catenula.conformance.benchmarks.report import table, write_json
from catenula.conformance.benchmarks.runner import choose, measure_apart, measure_here, run
from catenula.protocol import Round

DOCUMENT = Path(__file__).parents[2] / "docs" / "performance.md"

FAST = Figure("fast_ms", "ms", at_most(2))
SLOW = Figure("slow_ms", "ms", Bar("≤ 2 × fast_ms", True, lambda medians: _double(medians)))


def _double(medians: Sample) -> float | None:
    return 2 * medians["fast_ms"] if "fast_ms" in medians else None


def _counted(folder: Path, runs: int) -> Iterator[Sample]:
    assert list(folder.iterdir()) == []
    for number in range(runs):
        yield {"fast_ms": number, "slow_ms": 10 * number}


COUNTED = Experiment((FAST, SLOW), _counted)


def test_summary_is_median_low_and_high() -> None:
    assert summarize([5, 1, 2, 9, 3], "ms") == Summary(3, 1, 9, "ms")


def test_too_few_runs_are_refused() -> None:
    with pytest.raises(LocalError, match="too few"):
        summarize([1, 2, 3, 4], "ms")


def test_experiments_run_in_a_fresh_folder_that_goes_away(tmp_path: Path) -> None:
    told: list[str] = []
    summaries = run([COUNTED, COUNTED], tmp_path, progress=told.append, measure=measure_here)
    assert summaries["slow_ms"] == Summary(20, 0, 40, "ms")
    assert len(told) == 4
    assert list(tmp_path.iterdir()) == []


def test_bars_hold_from_above_from_below_and_by_other_figures() -> None:
    assert at_most(2).is_met(2, {}) is True
    assert at_least(2).is_met(1, {}) is False
    assert SLOW.bar is not None
    assert SLOW.bar.is_met(3, {"fast_ms": 1}) is False
    assert SLOW.bar.is_met(3, {}) is None


def test_table_says_which_bars_are_missed(tmp_path: Path) -> None:
    summaries = run([COUNTED], tmp_path, progress=lambda line: None, measure=measure_here)
    lines = list(table({"fast_ms": FAST, "slow_ms": SLOW}, summaries))
    assert lines[1].endswith("kept")
    assert lines[2].endswith("MISSED")


def test_file_has_the_promised_form(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_json(path, describe_machine(tmp_path), {"fast_ms": Summary(2, 1, 3, "ms")})
    written = json.loads(path.read_text())
    assert written["figures"] == {"fast_ms": {"median": 2, "low": 1, "high": 3, "unit": "ms"}}
    assert written["machine"]["cores"] >= 1


def test_experiments_are_chosen_by_figure() -> None:
    assert choose(["slow_ms"], [COUNTED, HELP]) == [COUNTED]
    assert choose([], [COUNTED, HELP]) == [COUNTED, HELP]
    with pytest.raises(LocalError, match="there are: fast_ms, slow_ms"):
        choose(["quick_ms"], [COUNTED])


def test_figure_names_are_unique() -> None:
    names = [figure.name for experiment in EXPERIMENTS for figure in experiment.figures]
    assert len(set(names)) == len(names)


def test_an_experiment_that_misses_its_data_is_passed_over_and_named(tmp_path: Path) -> None:
    told: list[str] = []
    absent = replace(COUNTED, missing=lambda: "no data here")
    assert run([absent], tmp_path, progress=told.append, measure=measure_here) == {}
    assert told == ["fast_ms, slow_ms: NOT MEASURED, no data here"]


def test_every_figure_of_the_documentation_is_measured() -> None:
    documented = re.findall(r"^\| `(\w+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    measured = {figure.name for experiment in ALL_EXPERIMENTS for figure in experiment.figures}
    assert set(documented) == measured


def test_an_experiment_is_measured_in_a_process_of_its_own(tmp_path: Path) -> None:
    samples = measure_apart(replace(HELP, runs=1), tmp_path)
    assert [list(sample) for sample in samples] == [["help_ms"]]


def test_an_experiment_that_fails_apart_stops_the_benchmark(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="fast_ms could not be measured"):
        measure_apart(COUNTED, tmp_path)


def test_a_payment_takes_both_phases_of_a_multi_leader_round() -> None:
    asyncio.run(_pay_once())


async def _pay_once() -> None:
    async with running_network() as network:
        await (await payment(network))()
        chain = (await network.wallet("payer")).chain
        block_hash = chain.client.state().tip.block_hash
        assert block_hash is not None
        certificate = chain.client.context.local.worker.shared.certificate(block_hash)
        assert certificate is not None
        assert certificate.round == Round.multi_leader(0)


def test_the_process_that_is_timed_commits_a_block_when_it_is_ready(tmp_path: Path) -> None:
    assert [list(sample) for sample in IDLE_MEMORY.measure(tmp_path, 1)] == [["idle_memory_mb"]]


def test_given_balances_are_the_same_at_every_node_and_blocks_agree_on_them() -> None:
    asyncio.run(_credit_a_given_account())


async def _credit_a_given_account() -> None:
    async with running_network() as network:
        chain = (await network.wallet("holder", 1)).chain
        credit = await growth.credits_to_accounts(network, chain, 30)
        await credit()
        await network.settled()
        held = set()
        for validator in network.validators:
            assert validator.driver is not None
            state = validator.driver.worker.chain(chain.id)
            assert state.next_block_height == 2
            held.add(tuple(state.execution.system.balances.items()))
        assert len(held) == 1
        assert len(held.pop()) == 30
