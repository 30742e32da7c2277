"""What a validator counts, as Prometheus reads it."""

import asyncio
import re
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from catenula.base.errors import LocalError
from catenula.base.integers import BlockHeight
from catenula.protocol import ChainInfoQuery, NodeErrorReceived
from catenula.storage.memory import MemoryStore
from catenula.testing.tiny_network import TinyNetwork, transfer
from catenula.transport.calls import StatusCode
from catenula.transport.endpoints import FinishedCall
from catenula.transport.grpc_client import GrpcProvider
from catenula.validator.addresses import HostPort
from catenula.validator.configuration import LogOptions
from catenula.validator.metrics import CallCounters, serve_metrics
from catenula.validator.server import start_validator_server
from catenula.validator.supervisor import start_validator_processes
from tests.conftest import REPOSITORY
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
    labels = 'method_name="DownloadBlob",traffic_type="unknown"'
    for line in (
        f"linera_proxy_request_count{{{labels}}} 3.0",
        f"linera_proxy_request_success{{{labels}}} 2.0",
        f'linera_proxy_request_error{{error_type="NOT_FOUND",{labels}}} 1.0',
        f'linera_proxy_request_latency_bucket{{le="5",{labels}}} 2.0',
        f'linera_proxy_request_latency_bucket{{le="+Inf",{labels}}} 3.0',
        f"linera_proxy_request_latency_sum{{{labels}}} 9003.0",
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


async def _pay(network: TinyNetwork, port: int) -> None:
    """One transfer through the port: proposed, refused once, confirmed, and asked about."""
    provider = GrpcProvider()
    node = provider.connect_to(f"grpc:127.0.0.1:{port}")
    sender, recipient = network.chain_ids[:2]
    draft = network.draft(sender, transfer(recipient))
    await node.handle_block_proposal(network.sign(draft))
    behind = network.draft(sender, transfer(recipient)).replace(height=BlockHeight(7))
    with pytest.raises(NodeErrorReceived):
        await node.handle_block_proposal(network.sign(behind))
    certificate = network.execute(sender, transfer(recipient))
    await node.handle_confirmed_certificate(certificate, wait_for_outgoing_messages=True)
    query = ChainInfoQuery(recipient, request_pending_message_bundles=True)
    found = (await node.handle_chain_info_query(query)).info.requested_pending_message_bundles
    assert len(found) == 1
    await provider.close()


EVENTS = (
    "linera_block_proposals_received_total 2.0",
    'linera_block_proposals_rejected_total{error_type="UnexpectedBlockHeight"} 1.0',
    'linera_num_rounds_in_block_proposal_count{round_type="multi"} 2.0',
    'linera_votes_signed_total{certificate_value="validated"} 1.0',
    "linera_num_blocks 1.0",
    "linera_transaction_count 1.0",
    "linera_operations_per_block_sum 1.0",
    'linera_num_blocks_executed{phase="handle_proposal"} 1.0',
    'linera_block_execution_latency_count{phase="handle_proposal"} 1.0',
    'linera_operation_execution_latency_count{phase="handle_proposal"} 1.0',
    'linera_state_hash_computation_latency_count{phase="handle_proposal"} 1.0',
    'linera_wasm_fuel_used_per_block_sum{phase="handle_proposal"} 0.0',
    "linera_inbox_size_sum 1.0",
    "linera_num_inboxes_sum 1.0",
    "linera_num_outboxes_sum 1.0",
    "linera_outbox_counters_size_sum 1.0",
    "linera_outbox_size_sum 1.0",
    "linera_chain_info_queries 1.0",
    "linera_write_certificate 1.0",
)
"""What `_pay` leaves in the counters of the worker or workers, labels of workers left out."""


def totals(text: str) -> dict[str, float]:
    """Samples by name and labels, summed over the workers."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {key: value for key, value in sample.labels.items() if key != "worker"}
            inside = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
            name = f"{sample.name}{{{inside}}}" if inside else sample.name
            found[name] = found.get(name, 0.0) + sample.value
    return found


def check_events(text: str, network: TinyNetwork) -> None:
    """The events of `_pay` were counted, each once."""
    found = totals(text)
    documented = set(re.findall(r"`(\w+)`", (REPOSITORY / "docs" / "metrics.md").read_text()))
    names = {
        line.split()[2].removeprefix("linera_") for line in text.splitlines() if "# TYPE" in line
    }
    assert names <= documented, names - documented
    for line in EVENTS:
        name, _, value = line.rpartition(" ")
        assert found.get(name) == float(value), (line, text)
    signed = [value for name, value in found.items() if "linera_certificates_signed{" in name]
    assert len(signed) >= 2 * len(network.secrets) / 3
    assert set(signed) == {1.0}


def test_a_validator_in_one_process_tells_what_it_did() -> None:
    async def main() -> tuple[TinyNetwork, str]:
        network, metrics = TinyNetwork(), HostPort("127.0.0.1", free_port())
        config = configuration(
            secret=network.secrets[0], listen=LOOPBACK, metrics=metrics, workers=1
        )
        store = MemoryStore("memory:")
        server = await start_validator_server(config, store, genesis=network.genesis)
        try:
            await _pay(network, server.port)
            return network, await asyncio.to_thread(scrape, metrics.port)
        finally:
            await server.close()

    network, text = asyncio.run(main())
    method = 'method_name="HandleChainInfoQuery",traffic_type="unknown"'
    assert f"linera_proxy_request_count{{{method}}} 1.0" in text
    assert 'linera_loaded_chains{worker=""} 2.0' in text
    check_events(text, network)
    assert totals(text)["linera_notifications_dropped_no_receiver"] >= 2


@pytest.mark.process
def test_the_front_door_tells_what_its_workers_count(tmp_path: Path) -> None:
    async def main() -> tuple[TinyNetwork, str]:
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
            await _pay(network, validator.port)
            return network, await asyncio.to_thread(scrape, metrics.port)
        finally:
            await validator.stop()

    network, text = asyncio.run(main())
    for worker in ("0", "1"):
        assert f'linera_loaded_chains{{worker="{worker}"}}' in text
    assert 'linera_cross_chain_message_channel_full{worker="0"} 0.0' in text
    check_events(text, network)
    found = totals(text)
    assert found['linera_storage_commits_total{status="stored"}'] >= 3
    assert found["linera_storage_commit_latency_sum"] > 0
    assert found['linera_notification_batches_sent{status="sent"}'] >= 1
    assert found["linera_cross_chain_peer_retries_total"] == 0
    method = 'method_name="HandleBlockProposal",traffic_type="unknown"'
    assert found[f"linera_server_request_count{{{method}}}"] == 2
