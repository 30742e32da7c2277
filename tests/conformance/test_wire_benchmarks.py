"""Benchmarks over the wire: that set-ups are what they claim. No time is judged here."""

import asyncio

import pytest

from catenula.conformance.benchmarks.experiments import ALL_EXPERIMENTS, WIRE_EXPERIMENTS
from catenula.conformance.benchmarks.networks import payment
from catenula.conformance.benchmarks.wire_networks import wire_network

ASKED_FOR = {
    "net_up_ms",
    "net_up_processes_ms",
    "wire_block_p50_ms",
    "wire_blocks_per_s",
    "certificates_per_s",
    "wire_one_dead_ratio",
    "cli_transfer_ms",
    "cli_wallet_ratio",
}


def test_every_figure_has_its_own_name_and_those_with_a_bar_are_judged() -> None:
    names = [figure.name for each in ALL_EXPERIMENTS for figure in each.figures]
    assert len(names) == len(set(names))
    judged = {each.name for item in WIRE_EXPERIMENTS for each in item.figures if each.bar}
    assert judged == ASKED_FOR


@pytest.mark.process
def test_blocks_are_made_over_the_wire_whatever_befalls_one_validator() -> None:
    async def pay() -> None:
        async with wire_network() as wire, wire.network() as network:
            transfer = await payment(network)
            for orders in ((), ("stop 0",), ("start 0", "hang 1"), ("wake 1", "stop 2")):
                for order in orders:
                    wire.order(order)
                await transfer()
            wire.order("start 2")
            await transfer()
            await network.settled()
            assert await (await network.wallet("payer")).chain.height() == 5

    asyncio.run(asyncio.wait_for(pay(), 60))
