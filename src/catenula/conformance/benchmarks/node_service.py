"""How many questions a node service answers, of its own and of an application's.

A service over an embedded network, on the event loop that the command uses; the client is another
process on this machine. No cache of answers: each application query runs the service's code.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId
from catenula.conformance.benchmarks.figures import Experiment, Figure, Sample, at_least
from catenula.network import Network, NetworkWallet
from catenula.network.example_applications import example_module
from catenula.services.node import NodeServiceOptions, start_node_service
from catenula.services.node.service import NodeService
from catenula.transport.event_loop import run

_QUERIES = 4_000
_WARM_UP = 400
_CLIENT = "catenula.conformance.benchmarks.asking"
_BALANCE = """query ($chain: ChainId!) {
  chain(chainId: $chain) { executionState { system { balance } } } }"""


_NAMES = ("node_service_queries_per_s", "node_service_app_queries_per_s")


class _Chains(NamedTuple):
    """One chain, which is the default."""

    chain_id: ChainId

    def chain_ids(self) -> list[ChainId]:
        return [self.chain_id]

    def default_chain(self) -> ChainId:
        return self.chain_id


class _Question(NamedTuple):
    """A request that is repeated."""

    path: str
    body: str


def _rates(_: Path, runs: int) -> Iterator[Sample]:
    return iter(run(_measured(runs)))


async def _measured(runs: int) -> list[Sample]:
    samples: list[Sample] = []
    async with _service() as (port, own, applications):
        for question in (own, applications):
            await _rate(port, question, _WARM_UP)
        for _run in range(runs):
            rates = (
                await _rate(port, own, _QUERIES),
                await _rate(port, applications, _QUERIES // 4),
            )
            samples.append(dict(zip(_NAMES, rates, strict=True)))
    return samples


@asynccontextmanager
async def _service() -> AsyncIterator[tuple[int, _Question, _Question]]:
    """A running service's port, a question to it, and one to a counter."""
    async with await Network.start() as network:
        wallet = await network.wallet("owner", tokens="100")
        application_id = await _create_counter(wallet)
        chain_id = wallet.chain.id
        options = NodeServiceOptions(port=0)
        server = await start_node_service(
            NodeService(wallet.client, _Chains(chain_id), options=options)
        )
        variables = {"chain": str(chain_id)}
        own = _Question("/", json.dumps({"query": _BALANCE, "variables": variables}))
        path = f"/chains/{chain_id}/applications/{application_id}"
        try:
            yield server.port, own, _Question(path, json.dumps({"query": "{ value }"}))
        finally:
            await server.close()


async def _create_counter(wallet: NetworkWallet) -> str:
    module = example_module("counter")
    created = await wallet.chain.publish_and_create(
        module.contract, module.service, parameters=b'{"limit":1000}', argument=b"1"
    )
    return str(created)


async def _rate(port: int, question: _Question, requests: int) -> float:
    """Answers per second to another process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        _CLIENT,
        str(port),
        *question,
        str(requests),
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    if process.returncode:
        raise LocalError("the client of the node service failed", retryable=False)
    return float(printed)


QUERIES = Experiment(
    (
        Figure(_NAMES[0], "/s", at_least(2_000)),
        Figure(_NAMES[1], "/s", at_least(500)),
    ),
    _rates,
)
"""Balances of a chain, and the value of a counter, asked over HTTP."""
