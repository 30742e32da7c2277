"""The set-ups of the figures about applications are what they claim; no time is judged here."""

import asyncio
import os
from pathlib import Path

from catenula.conformance.benchmarks import applications, guests
from catenula.conformance.benchmarks.experiments import APPLICATION_EXPERIMENTS
from catenula.conformance.benchmarks.networks import FUNDS, running_network


def test_the_promised_figures_have_their_bars() -> None:
    bars = {
        figure.name: figure.bar.text
        for experiment in APPLICATION_EXPERIMENTS
        for figure in experiment.figures
        if figure.bar is not None
    }
    assert (
        bars.items()
        >= {
            "host_call_us": "≤ 2",
            "metering_overhead": "≤ 1.1",
            "counter_block_p50_ms": "≤ 8",
            "token_operations_per_s": "≥ 2,000",
            "app_state_ratio": "≤ 1.2",
            "app_cold_start_ms": "≤ 100",
            "app_queries_per_s": "≥ 500",
        }.items()
    )


def test_the_large_contract_is_as_large_as_it_says() -> None:
    assert len(guests.large_contract()) >= guests.LARGE_CONTRACT_BYTES


def test_given_keys_are_the_same_at_every_node_and_blocks_agree_on_them() -> None:
    async def scenario() -> None:
        async with running_network() as network:
            chain = (await network.wallet("holder", FUNDS)).chain
            transfer = await applications.transfers_to_accounts(network, chain, 30)
            for _ in range(3):
                await transfer()
            await network.settled()
            workers = [each.driver.worker for each in network.validators if each.driver]
            stores = [worker.chain(chain.id).execution.users for worker in workers]
            entries = [
                {name: dict(users.load_or_create(name).items()) for name in ids}
                for users, ids in ((users, tuple(users.keys())) for users in stores)
            ]
            assert entries == [entries[0]] * len(workers)
            assert sum(map(len, entries[0].values())) == 31

    asyncio.run(scenario())


def test_a_cold_start_runs_what_an_earlier_process_has_compiled(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    applications._run_guest(tmp_path, "create", environment)
    compiled = list((tmp_path / "cache").rglob("*.module"))
    assert compiled
    assert float(applications._run_guest(tmp_path, "operate", environment)) > 0
    assert list((tmp_path / "cache").rglob("*.module")) == compiled
