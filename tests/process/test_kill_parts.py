"""``kill -9`` of a worker, a front door and a whole validator under load (issue "On the wire").

Four validators of three processes each serve one client over gRPC. Whatever is killed comes back by
itself and the load goes on; at the end every acknowledged block and vote is stored, and every
message was taken in exactly once (C2, C14, M2, M13, M14). The seed is printed and can be given in
the environment as ``CATENULA_SEED``.
"""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

import pytest

from catenula.protocol import ChainInfoQuery, ChainInfoResponse
from catenula.storage.memory import MemoryStore
from catenula.testing.keys import validator_key
from catenula.testing.tiny_network import TinyNetwork, transfer
from catenula.transport.grpc_client import GrpcOptions, GrpcProvider
from catenula.validator.clock import SystemClock
from catenula.validator.committer import InlineCommitter
from catenula.validator.driver import NodeDriver
from catenula.validator.routing import routing
from tests.process.load import CHAINS, VALIDATORS, Load, Phase, genesis, open_worker, opened
from tests.process.test_kill import TOTAL, Told, check, supply
from tests.process.test_validator_processes import running
from tests.process.validators import (
    PARTS,
    WORKERS,
    kill,
    location_of,
    running_validators,
    seeded,
)

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

LONGEST_WAIT = 40
"""A process is killed after at most this many more answers."""
RECOVERY_ANSWERS = 3 * VALIDATORS
"""So many answers after a kill show that the load goes on: every block needs all validators."""
TENACIOUS = GrpcOptions(retry_delay_seconds=0.02, max_backoff_seconds=0.2, max_retries=500)


class WireLoad(Load):
    """The flows of `Load` over gRPC; what validators tell is noted instead of printed."""

    def __init__(self, ports: list[int], told: Told) -> None:
        self.committee = genesis().committee
        self.keys = [validator_key(number).public_key() for number in range(VALIDATORS)]
        self.chain_ids = tuple(chain.chain_id for chain in genesis().chains)
        self.clock = SystemClock()
        self.provider = GrpcProvider(TENACIOUS)
        self.validators = [
            self.provider.connect_to(f"grpc:127.0.0.1:{port}")  # type: ignore[misc]  # Looks like a driver.
            for port in ports
        ]
        store = MemoryStore()
        self.client = NodeDriver(
            open_worker(store, VALIDATORS), committer=InlineCommitter(store), clock=self.clock
        )
        self.told = told
        self.answers = 0
        self.answered = asyncio.Condition()
        self.stopping = False

    async def _told(self, number: int, phase: Phase) -> ChainInfoResponse:
        answer = await phase(self.validators[number])
        answer.check(self.keys[number])
        info, vote = answer.info, answer.info.manager.pending
        if vote is not None:
            self.told.read(
                f"vote {number} {info.chain_id} {info.next_block_height} {vote.round.hex()} "
                f"{vote.value.kind.value} {vote.value.value_hash}"
            )
        if info.block_hash is not None:
            height = info.next_block_height - 1
            self.told.read(f"block {number} {info.chain_id} {height} {info.block_hash}")
        async with self.answered:
            self.answers += 1
            self.answered.notify_all()
        return answer

    async def wait_for_answers(self, count: int) -> None:
        """Return after so many more answers."""
        async with self.answered:
            enough = self.answers + count
            await self.answered.wait_for(lambda: self.answers >= enough)

    async def work(self, number: int, rng: random.Random) -> None:
        """Blocks of one chain until told to stop."""
        while not self.stopping:
            await self.step(number, transfers=rng.randint(1, 3), rng=rng)

    async def take_all_in(self) -> None:
        """Take in everything that is under way."""
        rng = random.Random(0)
        while any([await self.step(n, transfers=0, rng=rng) for n in range(CHAINS)]):
            continue
        await self.provider.close()
        await self.client.stop()


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_killed_under_load_costs_nothing(
    part: str, tmp_path: Path, kills: int
) -> None:
    rng, told = seeded(), Told()

    async def body() -> None:
        keys = [validator_key(number) for number in range(VALIDATORS)]
        async with running_validators(tmp_path, keys, genesis()) as started:
            load = WireLoad([validator.port for validator in started], told)
            tasks = [
                asyncio.ensure_future(load.work(number, random.Random(rng.random())))
                for number in range(CHAINS)
            ]
            for number in range(kills):
                await load.wait_for_answers(rng.randint(1, LONGEST_WAIT))
                victim = rng.choice(started)
                killed = kill(victim, part, rng)
                await load.wait_for_answers(RECOVERY_ANSWERS)
                for role, pid in killed.items():
                    # Some of the answers may have been under way; the next kill needs a process.
                    await victim.wait_restarted(role, pid)
                sys.stdout.write(f"kill {number + 1}: {load.answers} answers so far\n")
            load.stopping = True
            await asyncio.gather(*tasks)
            await load.take_all_in()
            assert sum(validator.restarts for validator in started) >= kills

    asyncio.run(body())
    locations = [location_of(tmp_path, number) for number in range(VALIDATORS)]
    with opened(locations) as stores:
        for number, store in enumerate(stores):
            worker = open_worker(store, number)
            check(worker, number, told)
            assert supply(worker) == (TOTAL, 0)


def test_messages_arrive_although_their_sender_was_killed_and_is_idle(tmp_path: Path) -> None:
    """Invariant M13: the recipient was away, the sender dies before it could send, nobody asks."""

    async def body() -> None:
        network = TinyNetwork()
        worker_of = routing(WORKERS)
        sender = network.chain_ids[0]
        recipient = next(
            chain_id for chain_id in network.chain_ids if worker_of(chain_id) != worker_of(sender)
        )
        async with running(network, tmp_path, workers=WORKERS) as (validator, node):
            sleeper = validator.pids[f"worker {worker_of(recipient)}"]
            os.kill(sleeper, signal.SIGSTOP)
            certificate = network.execute(sender, transfer(recipient, 1))
            await node.handle_confirmed_certificate(certificate)
            role = f"worker {worker_of(sender)}"
            pid = validator.pids[role]
            os.kill(pid, signal.SIGKILL)
            await validator.wait_restarted(role, pid)
            os.kill(sleeper, signal.SIGCONT)
            query = ChainInfoQuery(
                recipient, request_pending_message_bundles=True, create_network_actions=False
            )
            found = 0
            while not found:
                info = (await node.handle_chain_info_query(query)).info
                found = len(info.requested_pending_message_bundles)
            assert found == 1

    asyncio.run(body())
