"""A validator of several processes: service, restarts with other numbers of workers, strangers."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId
from catenula.protocol import ChainInfoQuery, NewBlock, NewIncomingBundle
from catenula.testing.tiny_network import TinyNetwork, transfer
from catenula.transport.grpc_client import GrpcNode, GrpcOptions, GrpcProvider
from catenula.validator.addresses import HostPort
from catenula.validator.configuration import LogOptions, ServerConfig
from catenula.validator.routing import routing
from catenula.validator.supervisor import RunningValidator, Supervisor, start_validator_processes
from tests.validator.test_configuration import configuration

pytestmark = pytest.mark.process

PATIENT = GrpcOptions(retry_delay_seconds=0.02, max_backoff_seconds=0.2, max_retries=100)


def config_of(network: TinyNetwork, workers: int) -> ServerConfig:
    return configuration(
        secret=network.secrets[0],
        listen=HostPort("127.0.0.1", 0),
        workers=workers,
        logs=LogOptions(level="error"),
    )


@asynccontextmanager
async def running(
    network: TinyNetwork, folder: Path, workers: int
) -> AsyncIterator[tuple[RunningValidator, GrpcNode]]:
    validator = await start_validator_processes(
        config_of(network, workers), f"sqlite:{folder / 'store'}", genesis=network.genesis
    )
    provider = GrpcProvider(PATIENT)
    try:
        await validator.wait_ready()
        yield validator, provider.connect_to(f"grpc:127.0.0.1:{validator.port}")
    finally:
        await provider.close()
        await validator.stop()


def run(body: "object") -> None:
    asyncio.run(body)  # type: ignore[arg-type]  # A coroutine.


def test_workers_share_the_chains_and_notify_through_the_front_door(tmp_path: Path) -> None:
    async def body() -> None:
        network = TinyNetwork()
        first, second = network.chain_ids[:2]
        async with running(network, tmp_path, workers=3) as (_, node):
            stream = node.subscribe([first, second])
            heard = asyncio.ensure_future(anext(stream))
            certificate = network.execute(first, transfer(second, 1))
            info = (
                await node.handle_confirmed_certificate(
                    certificate, wait_for_outgoing_messages=True
                )
            ).info
            assert info.block_hash == certificate.hash
            query = ChainInfoQuery(second, request_pending_message_bundles=True)
            waiting = (await node.handle_chain_info_query(query)).info
            assert len(waiting.requested_pending_message_bundles) == 1
            reasons = [await heard, await anext(stream)]
            assert [type(item.reason) for item in reasons] == [NewBlock, NewIncomingBundle]
            found = await node.download_certificates_by_heights(first, [certificate.value.height])
            assert [item.hash for item in found] == [certificate.hash]

    run(body())


def test_a_store_loses_nothing_when_the_number_of_workers_changes(tmp_path: Path) -> None:
    async def body() -> None:
        network = TinyNetwork()
        chains = network.chain_ids
        height = 0
        for workers in (2, 3, 1):
            async with running(network, tmp_path, workers) as (_, node):
                for chain_id in chains:
                    info = (await node.handle_chain_info_query(ChainInfoQuery(chain_id))).info
                    assert info.next_block_height == height
                for number, chain_id in enumerate(chains):
                    certificate = network.execute(
                        chain_id, transfer(chains[(number + 1) % len(chains)], 1)
                    )
                    await node.handle_confirmed_certificate(
                        certificate, wait_for_outgoing_messages=True
                    )
                height += 1
                for chain_id in chains:
                    query = ChainInfoQuery(chain_id, request_pending_message_bundles=True)
                    info = (await node.handle_chain_info_query(query)).info
                    assert len(info.requested_pending_message_bundles) == height

    run(body())


@pytest.mark.parametrize("role", ["front door", "worker 1"])
def test_a_process_that_dies_is_started_again(role: str, tmp_path: Path) -> None:
    async def body() -> None:
        network = TinyNetwork()
        async with running(network, tmp_path, workers=2) as (validator, node):
            pid, port = validator.pids[role], validator.port
            os.kill(pid, signal.SIGKILL)
            await validator.wait_restarted(role, pid)
            assert validator.restarts == 1
            assert validator.port == port
            info = (await node.handle_chain_info_query(ChainInfoQuery(network.chain_ids[0]))).info
            assert info.next_block_height == 0

    run(body())


@pytest.mark.parametrize("killed", [("recipient",), ("recipient", "sender")])
def test_a_message_arrives_although_its_sender_is_idle(
    killed: tuple[str, ...], tmp_path: Path
) -> None:
    """The update is lost on its way, because its recipient's worker is stopped and then killed.

    If that one alone is killed, the sender's worker sends again; if both are, only the sender's
    outbox knows. Nobody asks the sender.
    """

    async def body() -> None:
        network, worker_of = TinyNetwork(), routing(2)
        sender = network.chain_ids[0]
        recipient = next(item for item in network.chain_ids if worker_of(item) != worker_of(sender))
        roles = {"sender": f"worker {worker_of(sender)}"}
        roles["recipient"] = f"worker {worker_of(recipient)}"
        async with running(network, tmp_path, workers=2) as (validator, node):
            pids = {side: validator.pids[role] for side, role in roles.items()}
            os.kill(pids["recipient"], signal.SIGSTOP)
            await node.handle_confirmed_certificate(network.execute(sender, transfer(recipient, 1)))
            for side in killed:
                os.kill(pids[side], signal.SIGKILL)
            for side in killed:
                await validator.wait_restarted(roles[side], pids[side])
            async with asyncio.timeout(60):
                while await waiting_heights(node, recipient) != [0]:  # noqa: ASYNC110  # Only a query tells.
                    await asyncio.sleep(0)

    run(body())


async def waiting_heights(node: GrpcNode, chain_id: ChainId) -> list[int]:
    """The heights from which messages wait, asked so that nothing is sent on that occasion."""
    query = ChainInfoQuery(
        chain_id, request_pending_message_bundles=True, create_network_actions=False
    )
    info = (await node.handle_chain_info_query(query)).info
    return [item.bundle.height for item in info.requested_pending_message_bundles]


def test_children_die_with_their_supervisor(tmp_path: Path) -> None:
    async def body() -> None:
        network = TinyNetwork()
        supervisor = await Supervisor.start(LogOptions(level="error"))
        validator = await supervisor.start_validator(
            config_of(network, 2), f"sqlite:{tmp_path / 'store'}", genesis=network.genesis
        )
        await validator.wait_ready()
        descriptors = [os.pidfd_open(pid) for pid in validator.pids.values()]
        os.kill(supervisor.pid, signal.SIGKILL)
        loop = asyncio.get_running_loop()
        for descriptor in descriptors:
            ended = asyncio.Event()
            loop.add_reader(descriptor, ended.set)
            await ended.wait()
            loop.remove_reader(descriptor)
            os.close(descriptor)
        await supervisor.close()

    run(body())


def test_a_validator_that_cannot_start_says_why(tmp_path: Path) -> None:
    async def body() -> None:
        network = TinyNetwork()
        (tmp_path / "store").write_bytes(b"something else")
        validator = await start_validator_processes(
            config_of(network, 2), f"sqlite:{tmp_path / 'store'}", genesis=network.genesis
        )
        with pytest.raises(LocalError, match="is refused"):
            await validator.wait_ready()
        await validator.stop()
        with pytest.raises(LocalError, match="one process at a time"):
            await start_validator_processes(config_of(network, 2), "rocksdb:x")

    run(body())
