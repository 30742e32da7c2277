"""Figures of ``catenula net up`` and of commands on its wallet, each a process of its own."""

import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

from catenula.base.errors import LocalError
from catenula.conformance.benchmarks.figures import Experiment, Figure, Sample, at_most
from catenula.network.ports import PortLayout

_PROGRAM = (sys.executable, "-m", "catenula")
_HOST = "127.0.0.1"
_VALIDATORS = 4
_COMMANDS_PER_RUN = 5
_FEW_CHAINS, _MANY_CHAINS = 2, 999
"""Besides the admin chain."""
_PATIENCE_S = 60
_LOWEST_BASE, _HIGHEST_BASE = 15_000, 24_000
"""With the layout on top this stays below the ports that systems give to outgoing connections."""
_ATTEMPTS = 200


class _Running(NamedTuple):
    """A network that is ready; ``variables`` tell commands where its wallet is."""

    started_ms: float
    variables: Mapping[str, str]


@contextmanager
def _net_up(*arguments: str) -> Iterator[_Running]:
    """Start a network with a faucet; it ends when this is left."""
    environment = {**os.environ, "TEST_OFFSET_PORT": str(_free_base())}
    command = (*_PROGRAM, "net", "up", "--with-faucet", "--faucet-port", str(_free_port()))
    started = time.perf_counter_ns()
    process = subprocess.Popen(
        (*command, "--validators", str(_VALIDATORS), *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    with process:
        try:
            _await_ready(process)
            took_ms = (time.perf_counter_ns() - started) / 1e6
            yield _Running(took_ms, _exports(process))
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=_PATIENCE_S)


def _await_ready(process: "subprocess.Popen[str]") -> None:
    said = []
    for line in process.stderr or ():
        if line == "READY!\n":
            return
        said.append(line)
    raise LocalError(f"net up ended before it was ready: {''.join(said)}", retryable=False)


def _exports(process: "subprocess.Popen[str]") -> dict[str, str]:
    if process.stdout is None:
        return {}
    told = "".join(process.stdout.readline() for _ in range(3))
    return dict(re.findall(r'^export (LINERA_\w+)="(.*)"$', told, re.MULTILINE))


def _free_base() -> int:
    """A base of ports that are all free now."""
    random = Random()
    for _ in range(_ATTEMPTS):
        layout = PortLayout(random.randrange(_LOWEST_BASE, _HIGHEST_BASE))
        if all(_is_free(port) for index in range(_VALIDATORS) for port in _ports(layout, index)):
            return layout.base
    raise LocalError("no free ports were found for a network", retryable=True)


def _ports(layout: PortLayout, validator: int) -> tuple[int, ...]:
    return (
        layout.worker(validator, 0),
        layout.worker_metrics(validator, 0),
        layout.private(validator),
        layout.metrics(validator),
        layout.public(validator),
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _command_ms(network: _Running, *arguments: str) -> float:
    """The duration of one command as a whole process."""
    started = time.perf_counter_ns()
    subprocess.run(
        (*_PROGRAM, *arguments),
        check=True,
        capture_output=True,
        timeout=_PATIENCE_S,
        env={**os.environ, **network.variables},
    )
    return (time.perf_counter_ns() - started) / 1e6


def _chains(network: _Running) -> list[str]:
    done = subprocess.run(
        (*_PROGRAM, "wallet", "show", "--short"),
        check=True,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        env={**os.environ, **network.variables},
    )
    return done.stdout.split()


def _start(_: Path, runs: int) -> Iterator[Sample]:
    for _run in range(runs):
        with _net_up() as network:
            yield {"net_up_ms": network.started_ms}


def _start_processes(_: Path, runs: int) -> Iterator[Sample]:
    for _run in range(runs):
        with _net_up("--processes") as network:
            yield {"net_up_processes_ms": network.started_ms}


def _transfer_arguments(network: _Running) -> tuple[str, ...]:
    sender, recipient, *_ = _chains(network)
    return ("transfer", "--from", sender, "--to", recipient, "0.000001")


def _transfers(_: Path, runs: int) -> Iterator[Sample]:
    with _net_up() as network:
        transfer = _transfer_arguments(network)
        _command_ms(network, *transfer)
        for _run in range(runs):
            times = [_command_ms(network, *transfer) for _ in range(_COMMANDS_PER_RUN)]
            yield {"cli_transfer_ms": statistics.median(times)}


def _wallets(_: Path, runs: int) -> Iterator[Sample]:
    """Commands on a wallet of many chains and on one of few, in turns."""
    with ExitStack() as stack:
        sizes = [str(size) for size in (_MANY_CHAINS, _FEW_CHAINS)]
        networks = [stack.enter_context(_net_up("--other-initial-chains", size)) for size in sizes]
        transfers = [_transfer_arguments(network) for network in networks]
        for network, transfer in zip(networks, transfers, strict=True):
            _command_ms(network, *transfer)
        for _run in range(runs):
            transferring = _ratio(networks, transfers)
            showing = _ratio(networks, [("wallet", "show")] * len(networks))
            yield {
                "cli_wallet_ratio": max(transferring, showing),
                "cli_wallet_transfer_ratio": transferring,
                "cli_wallet_show_ratio": showing,
            }


def _ratio(networks: list[_Running], commands: list[tuple[str, ...]]) -> float:
    """How much longer a command takes on the first network than on the second."""
    times: list[list[float]] = [[] for _ in networks]
    for _ in range(_COMMANDS_PER_RUN):
        for taken, network, command in zip(times, networks, commands, strict=True):
            taken.append(_command_ms(network, *command))
    large, small = (statistics.median(taken) for taken in times)
    return large / small


START = Experiment((Figure("net_up_ms", "ms", at_most(1_000)),), _start)
START_PROCESSES = Experiment(
    (Figure("net_up_processes_ms", "ms", at_most(3_000)),), _start_processes
)
TRANSFER = Experiment((Figure("cli_transfer_ms", "ms", at_most(600)),), _transfers)
WALLET = Experiment(
    (
        Figure("cli_wallet_ratio", "ratio", at_most(1.5)),
        Figure("cli_wallet_transfer_ratio", "ratio"),
        Figure("cli_wallet_show_ratio", "ratio"),
    ),
    _wallets,
)
