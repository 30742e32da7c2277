"""What a validator counts, as Prometheus reads it."""

import asyncio
import urllib.request
from pathlib import Path

import pytest

from catenula.base.errors import LocalError
from catenula.protocol import ChainInfoQuery
from catenula.storage.memory import MemoryStore
from catenula.testing.tiny_network import TinyNetwork
from catenula.transport.calls import StatusCode
from catenula.transport.endpoints import FinishedCall
from catenula.transport.grpc_client import GrpcProvider
from catenula.validator.addresses import HostPort
from catenula.validator.configuration import LogOptions
from catenula.validator.metrics import CallCounters, serve_metrics
from catenula.validator.server import start_validator_server
from catenula.validator.supervisor import start_validator_processes
from tests.ports import free_port
from tests.validator.test_configuration import configuration

LOOPBACK = HostPort("127.0.0.1", 0)


def scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        text: str = response.read().decode()
    return text


def test_calls_are_counted_by_method_and_kind_of_end() -> None:
    counters = CallCounters()
    for code, seconds in (
        (StatusCode.OK, 0.003),
        (StatusCode.OK, 9.0),
        (StatusCode.NOT_FOUND, 0.0),
    ):
        counters.call_finished(FinishedCall("DownloadBlob", seconds, code, 10, 20), None)
    served = serve_metrics(LOOPBACK, counters, lambda: {"0": {"loaded_chains": 7}})
    try:
        text = scrape(served.port)
    finally:
        served.close()
    for line in (
        'linera_proxy_request_count_total{method_name="DownloadBlob"} 3.0',
        'linera_proxy_request_success_total{method_name="DownloadBlob"} 2.0',
        'linera_proxy_request_error_total{error_type="NOT_FOUND",method_name="DownloadBlob"} 1.0',
        'linera_proxy_request_latency_bucket{le="5",method_name="DownloadBlob"} 2.0',
        'linera_proxy_request_latency_bucket{le="+Inf",method_name="DownloadBlob"} 3.0',
        'linera_proxy_request_latency_sum{method_name="DownloadBlob"} 9003.0',
        "linera_proxy_received_bytes_total 30.0",
        'linera_loaded_chains{worker="0"} 7.0',
    ):
        assert line in text.splitlines(), text


def test_a_taken_metrics_port_is_an_error_with_advice() -> None:
    served = serve_metrics(LOOPBACK, CallCounters(), dict)
    try:
        with pytest.raises(LocalError, match="choose another one"):
            serve_metrics(HostPort("127.0.0.1", served.port), CallCounters(), dict)
    finally:
        served.close()


async def _ask(network: TinyNetwork, port: int) -> None:
    provider = GrpcProvider()
    node = provider.connect_to(f"grpc:127.0.0.1:{port}")
    await node.handle_chain_info_query(ChainInfoQuery(network.chain_ids[0]))
    await provider.close()


def test_a_validator_in_one_process_tells_what_it_did() -> None:
    async def main() -> str:
        network, metrics = TinyNetwork(), HostPort("127.0.0.1", free_port())
        config = configuration(
            secret=network.secrets[0], listen=LOOPBACK, metrics=metrics, workers=1
        )
        store = MemoryStore("memory:")
        server = await start_validator_server(config, store, genesis=network.genesis)
        try:
            await _ask(network, server.port)
            return await asyncio.to_thread(scrape, metrics.port)
        finally:
            await server.close()

    text = asyncio.run(main())
    assert 'linera_proxy_request_count_total{method_name="HandleChainInfoQuery"} 1.0' in text
    assert 'linera_loaded_chains{worker=""} 1.0' in text


@pytest.mark.process
def test_the_front_door_tells_what_its_workers_count(tmp_path: Path) -> None:
    async def main() -> str:
        network, metrics = TinyNetwork(), HostPort("127.0.0.1", free_port())
        config = configuration(
            secret=network.secrets[0],
            listen=LOOPBACK,
            metrics=metrics,
            workers=2,
            logs=LogOptions(level="error"),
        )
        validator = await start_validator_processes(
            config, f"sqlite:{tmp_path / 'store'}", genesis=network.genesis
        )
        try:
            await validator.wait_ready()
            await _ask(network, validator.port)
            return await asyncio.to_thread(scrape, metrics.port)
        finally:
            await validator.stop()

    text = asyncio.run(main())
    for worker in ("0", "1"):
        assert f'linera_loaded_chains{{worker="{worker}"}}' in text
    assert 'linera_cross_chain_message_channel_full_total{worker="0"} 0.0' in text
