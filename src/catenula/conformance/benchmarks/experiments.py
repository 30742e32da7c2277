"""All experiments, in the order in which they run."""

from catenula.conformance.benchmarks import (
    applications,
    blocks,
    chains,
    conformance,
    disk,
    faults,
    growth,
    local,
    metering,
    net_up,
    node_service,
    processes,
    wire,
)
from catenula.conformance.benchmarks.figures import Experiment

EXPERIMENTS: tuple[Experiment, ...] = (
    conformance.COUNTS,
    local.HELP,
    processes.START,
    processes.IDLE_MEMORY,
    disk.SINGLE_CHAIN,
    blocks.FAST_ROUND,
    disk.MANY_CHAINS,
    blocks.BATCHES,
    blocks.MESSAGES,
    faults.ONE_DEAD,
    faults.ONE_SLOW,
    chains.CREATION,
    chains.LIVE_CHAINS,
    growth.STATE,
    growth.STATE_LEGACY,
    growth.HISTORY,
    growth.WALLET,
)

WIRE_EXPERIMENTS: tuple[Experiment, ...] = (
    wire.SINGLE_CHAIN,
    wire.MANY_CHAINS,
    wire.CERTIFICATES,
    wire.ONE_DEAD,
    net_up.START,
    net_up.START_PROCESSES,
    net_up.TRANSFER,
    net_up.WALLET,
)

APPLICATION_EXPERIMENTS: tuple[Experiment, ...] = (
    applications.HOST_CALLS,
    metering.OVERHEAD,
    applications.COUNTER,
    applications.TOKEN,
    applications.STATE,
    applications.COLD_START,
    applications.QUERIES,
    node_service.QUERIES,
)
ALL_EXPERIMENTS = (*EXPERIMENTS, *WIRE_EXPERIMENTS, *APPLICATION_EXPERIMENTS)
