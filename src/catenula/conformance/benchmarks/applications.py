"""Figures of applications: calls of the host, blocks, a large state, queries, a cold start.

Applications are the examples that are shipped, and guests of a few lines that only call the host.
Networks are those of the other figures: four validators and a client in one process, in memory.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

from catenula.base.identifiers import AccountOwner, ApplicationId
from catenula.conformance.benchmarks.figures import Experiment, Figure, Sample, at_least, at_most
from catenula.conformance.benchmarks.guests import (
    GUEST_FOLDER,
    calling_service,
    idle_contract,
)
from catenula.conformance.benchmarks.networks import (
    FUNDS,
    WARM_UP_BLOCKS,
    Action,
    median_milliseconds,
    ratio_of,
    repeat,
    running_network,
    sampled,
    wallet_with_chains,
)
from catenula.network import Network, NetworkChain
from catenula.network.example_applications import example_module
from catenula.storage.batch import Batch
from catenula.storage.shared import chain_root

_HOST_CALLS = 20_000
_HOST_CALL_TURNS = 5
_TRANSFERS_PER_BLOCK = 100
_BATCHES_PER_RUN = 4
_QUERIES = 300
_MANY_KEYS, _FEW_KEYS = 1_000_000, 10
_HELD = (10**18).to_bytes(16, "little")
_SMALLEST = (1).to_bytes(16, "little")
_SEED = 1
_COLD_STARTS = 5


# Calls of the host


async def _host_calls(_: Path, runs: int) -> AsyncIterator[Sample]:
    """A service calls ``get-block-height`` in a loop; what it takes without calls is deducted."""
    async with running_network() as network:
        chain = (await network.wallet("caller", FUNDS)).chain
        caller = await chain.publish_and_create(idle_contract(), calling_service())
        await _query_seconds(chain, caller, _HOST_CALLS)
        for _run in range(runs):
            turns = [
                await _query_seconds(chain, caller, _HOST_CALLS)
                - await _query_seconds(chain, caller, 0)
                for _ in range(_HOST_CALL_TURNS)
            ]
            yield {"host_call_us": min(turns) / _HOST_CALLS * 1e6}


async def _query_seconds(chain: NetworkChain, application_id: ApplicationId, calls: int) -> float:
    started = time.perf_counter()
    await chain.query(application_id, calls.to_bytes(4, "little"))
    return time.perf_counter() - started


# Blocks


async def _counter_blocks(_: Path, runs: int) -> AsyncIterator[Sample]:
    async with running_network() as network:
        chain = (await network.wallet("counting", FUNDS)).chain
        add = await counting(chain)
        await repeat(add, WARM_UP_BLOCKS)
        for _run in range(runs):
            yield {"counter_block_p50_ms": await median_milliseconds(add)}


async def counting(chain: NetworkChain) -> Action:
    """A new counter; each call is a block that adds one to it."""
    counter = await chain.publish_and_create(
        *example_module("counter"), parameters=_json({"limit": 1 << 60}), argument=b"0"
    )
    operation = b"\0" + (1).to_bytes(8, "little")
    return lambda: chain.operate(counter, operation)


async def _token_operations(_: Path, runs: int) -> AsyncIterator[Sample]:
    async with running_network() as network:
        chain = (await network.wallet("payer", FUNDS)).chain
        token = await _new_token(chain)
        transfer = _transfer(chain, AccountOwner(b"\x02" + bytes(19) + b"\1"))
        block = (transfer,) * _TRANSFERS_PER_BLOCK
        await chain.operate(token, *block)
        for _run in range(runs):
            started = time.perf_counter()
            await repeat(lambda: chain.operate(token, *block), _BATCHES_PER_RUN)
            await network.settled()
            seconds = time.perf_counter() - started
            yield {"token_operations_per_s": _BATCHES_PER_RUN * len(block) / seconds}


async def _new_token(chain: NetworkChain) -> ApplicationId:
    supply = {"accounts": {str(chain.wallet.owner): "1000000."}}
    return await chain.publish_and_create(
        *example_module("token"), parameters=_json({"ticker": "OAK"}), argument=_json(supply)
    )


def _transfer(chain: NetworkChain, recipient: AccountOwner) -> bytes:
    """The token's operation that sends the smallest amount to an account on the same chain."""
    return b"\1" + chain.wallet.owner + _SMALLEST + chain.id + recipient


# A large state


async def _large_state(_: Path, runs: int) -> AsyncIterator[Sample]:
    async with running_network() as network:
        first, second = (await wallet_with_chains(network, "holder", 2)).chains()
        many = await transfers_to_accounts(network, first, _MANY_KEYS)
        few = await transfers_to_accounts(network, second, _FEW_KEYS)
        await repeat(many, WARM_UP_BLOCKS)
        await repeat(few, WARM_UP_BLOCKS)
        for _run in range(runs):
            yield {"app_state_ratio": await ratio_of(many, few)}


async def transfers_to_accounts(network: Network, chain: NetworkChain, count: int) -> Action:
    """Transfers of a new token to random ones of ``count`` accounts, which are put there."""
    numbers = Random(_SEED)
    owners = [AccountOwner(b"\x02" + numbers.randbytes(20)) for _ in range(count)]
    token = await _new_token(chain)
    await network.settled()
    _give(network, chain, token, owners)
    return lambda: chain.operate(token, _transfer(chain, numbers.choice(owners)))


def _give(
    network: Network, chain: NetworkChain, token: ApplicationId, owners: list[AccountOwner]
) -> None:
    """Let every owner hold some of the token on the chain, at every node."""
    workers = [chain.wallet.client.context.local.worker]
    workers += [each.driver.worker for each in network.validators if each.driver is not None]
    users = workers[0].chain(chain.id).execution.users
    store = users.load_or_create(token)
    holder = chain.wallet.owner
    prefix = next(key[: -len(holder)] for key, _ in store.items() if key.endswith(holder))
    writes = Batch()
    for owner in owners:
        writes.put(prefix + owner, _HELD)
    store.write_batch(writes)
    batch = Batch()
    users.save(batch)
    for worker in workers:
        worker.store.commit([(chain_root(chain.id), batch)])
        worker.forget_chain(chain.id)


# Queries


async def _queries(_: Path, runs: int) -> AsyncIterator[Sample]:
    """GraphQL queries of the counter's service, each in a fresh instance, one after the other."""
    async with running_network() as network:
        chain = (await network.wallet("counting", FUNDS)).chain
        counter = await chain.publish_and_create(
            *example_module("counter"), parameters=_json({"limit": 100}), argument=b"0"
        )
        question = _json({"query": "{ value }"})
        await repeat(lambda: chain.query(counter, question), WARM_UP_BLOCKS)
        for _run in range(runs):
            started = time.perf_counter()
            await repeat(lambda: chain.query(counter, question), _QUERIES)
            yield {"app_queries_per_s": _QUERIES / (time.perf_counter() - started)}


# Cold start


async def _cold_starts(folder: Path, runs: int) -> AsyncIterator[Sample]:
    """The first block that runs an application, in a process that has run none.

    The machine code lies in the cache on disk, the network's stores beside it.
    """
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    _run_guest(folder, "create", environment)
    for _run in range(runs):
        yield {"app_cold_start_ms": float(_run_guest(folder, "operate", environment))}


def _run_guest(folder: Path, what: str, environment: dict[str, str]) -> str:
    module = "catenula.conformance.benchmarks.cold_start"
    done = subprocess.run(
        [sys.executable, "-m", module, what, folder / GUEST_FOLDER],
        check=True,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    return done.stdout


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


HOST_CALLS = Experiment((Figure("host_call_us", "µs", at_most(2)),), sampled(_host_calls))
COUNTER = Experiment((Figure("counter_block_p50_ms", "ms", at_most(8)),), sampled(_counter_blocks))
TOKEN = Experiment(
    (Figure("token_operations_per_s", "1/s", at_least(2_000)),), sampled(_token_operations)
)
STATE = Experiment((Figure("app_state_ratio", "ratio", at_most(1.2)),), sampled(_large_state))
QUERIES = Experiment((Figure("app_queries_per_s", "1/s", at_least(500)),), sampled(_queries))
COLD_START = Experiment(
    (Figure("app_cold_start_ms", "ms", at_most(100)),), sampled(_cold_starts), _COLD_STARTS
)
