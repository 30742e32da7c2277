"""Probing a validator before it joins: is it there, how fast does it read, write and keep up.

Six layers, each a section of the report; every call has a time-out, so that a validator that hangs
is a finding and not a hang. Numbers only: what is good enough is for people to decide.
"""

import asyncio
import platform
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct, field

from catenula.base.codec import codec_of
from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId
from catenula.base.integers import BlockHeight
from catenula.client.administration.latency import Measurements
from catenula.client.administration.push import remote_node
from catenula.client.administration.reports import Refused, check_network, check_version
from catenula.client.client import Client
from catenula.client.remote_node import RemoteNode
from catenula.client.synchronize import fetch_chain_info
from catenula.client.updater import send_confirmed_certificate, send_description
from catenula.protocol import ChainInfoQuery, NetworkDescription, NodeErrorReceived, VersionInfo
from catenula.worker.version import VERSION_INFO

PINGS = 10
_AUTO_BATCHES = 100
LAYERS = ("preflight", "partial_sync", "read_baseline", "read_stress", "bulk_download", "tip_lag")

_VERSIONS = codec_of(VersionInfo)
_NETWORKS = codec_of(NetworkDescription)

Progress = Callable[[str], None]


class BenchmarkPlan(Struct, frozen=True):
    """What is measured, and how much; ``deep_blocks`` 0 pushes nothing to the validator."""

    chains: tuple[ChainId, ...]
    skipped: frozenset[str] = frozenset()
    deep_blocks: int = 0
    deep_chain: ChainId | None = None
    baseline_requests: int = 200
    stress_levels: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    stress_seconds: float = 30.0
    bulk_batch_size: int = 100
    bulk_concurrency: tuple[int, ...] = (1, 8)
    bulk_range: tuple[int, int] | None = None
    lag_samples: int = 3
    lag_interval_seconds: float = 120.0
    timeout_seconds: float = 30.0
    abort_on_preflight_fail: bool = False
    observer_location: str = "unspecified"


class Benchmark(Struct):
    """One run against one validator; `report` is complete when `run` has returned."""

    client: Client
    remote: RemoteNode
    plan: BenchmarkPlan
    public_key: Secp256k1PublicKey | None = None
    say: Progress = print
    flush: Callable[[dict[str, Any]], None] | None = None
    report: dict[str, Any] = field(default_factory=dict)

    async def run(self) -> dict[str, Any]:
        """All layers that are not skipped; ``flush`` gets the report after each."""
        started, clock = datetime.now(UTC), time.perf_counter()
        self.report = self._beginning(started)
        for name, layer in self._layers():
            self.say(name.replace("_", " "))
            self.report["layers"][name] = found = await layer()
            if self.flush is not None:
                self.flush(self.report)
            if name == "preflight" and found["status"] != "ok" and self._aborts():
                break
        observer = self.report["observer"]
        observer["ended_at"] = datetime.now(UTC).isoformat()
        observer["duration_secs"] = round(time.perf_counter() - clock, 3)
        self.report["metadata"]["complete"] = True
        return self.report

    def _aborts(self) -> bool:
        return self.plan.abort_on_preflight_fail

    def _beginning(self, started: datetime) -> dict[str, Any]:
        plan = self.plan
        return {
            "metadata": {
                "tool_version": f"catenula {VERSION_INFO.crate_version}",
                "complete": False,
                "chains_tested": [str(chain) for chain in plan.chains],
            },
            "candidate": {
                "address": self.remote.address,
                "public_key": None if self.public_key is None else str(self.public_key),
                "version_info": None,
                "network_description": None,
            },
            "observer": {
                "location": plan.observer_location,
                "hostname": platform.node(),
                "started_at": started.isoformat(),
            },
            "layers": {},
        }

    def _layers(self) -> list[tuple[str, Callable[[], Awaitable[dict[str, Any]]]]]:
        wanted = {
            "preflight": self._preflight,
            "partial_sync": self._partial_sync,
            "read_baseline": self._read_baseline,
            "read_stress": self._read_stress,
            "bulk_download": self._bulk_download,
            "tip_lag": self._tip_lag,
        }
        if not self.plan.deep_blocks:
            del wanted["partial_sync"]
        return [item for item in wanted.items() if item[0] not in self.plan.skipped]

    def _measurements(self) -> Measurements:
        return Measurements(self.plan.timeout_seconds)

    # Layer 1

    async def _preflight(self) -> dict[str, Any]:
        node, candidate, pings = self.remote.node, self.report["candidate"], self._measurements()
        for _ in range(PINGS):
            version = await pings.measure(node.get_version_info())
            if version is not None:
                candidate["version_info"] = _VERSIONS.to_json(version)
        network = await self._measurements().measure(node.get_network_description())
        if network is not None:
            candidate["network_description"] = _NETWORKS.to_json(network)
        is_version, is_network = await self._is_ours()
        return {
            "status": "ok" if pings.milliseconds and is_version and is_network else "fail",
            "version_match": is_version,
            "network_description_match": is_network,
            "rtt_ms": pings.to_json(),
        }

    async def _is_ours(self) -> tuple[bool | None, bool | None]:
        """Whether version and network are ours; None when the validator does not say."""

        async def holds(check: Awaitable[object]) -> bool | None:
            try:
                async with asyncio.timeout(self.plan.timeout_seconds):
                    await check
            except Refused:
                return False
            except (LocalError, ProtocolError, TimeoutError):
                return None
            return True

        node = self.remote.node
        return await holds(check_version(node)), await holds(check_network(self.client, node))

    # Layer 2

    async def _partial_sync(self) -> dict[str, Any]:
        plan, context = self.plan, self.client.context
        chain_id = plan.deep_chain or plan.chains[0]
        start = await self._tip(chain_id) or 0
        end = min(start + plan.deep_blocks, context.local.known_height(chain_id))
        accepted, size, calls = 0, 0, self._measurements()
        clock = time.perf_counter()
        if start == 0:
            await calls.measure(send_description(context, self.remote, chain_id))
        for height in range(start, end):
            certificate = context.local.certificate_at(chain_id, BlockHeight(height))
            if certificate is None:
                continue
            if await calls.measure(send_confirmed_certificate(context, self.remote, certificate)):
                accepted += 1
                size += len(certificate.block.bcs)
        seconds = time.perf_counter() - clock
        return {
            "chain_id": str(chain_id),
            "from_height": start,
            "to_height": end,
            "blocks_attempted": end - start,
            "blocks_accepted": accepted,
            "bytes_in": size,
            "duration_secs": round(seconds, 3),
            "blocks_per_sec": round(accepted / seconds, 1) if seconds else 0.0,
            "latency_ms": calls.to_json(),
        }

    async def _tip(self, chain_id: ChainId, remote: RemoteNode | None = None) -> int | None:
        """How many blocks of a chain a validator has; None when it does not say."""
        asked = remote or self.remote
        try:
            async with asyncio.timeout(self.plan.timeout_seconds):
                info = await asked.chain_info(ChainInfoQuery(chain_id))
        except (LocalError, NodeErrorReceived, TimeoutError):
            return None
        return int(info.next_block_height)

    # Layers 3 and 4

    def _read(self, chain_id: ChainId) -> Awaitable[object]:
        return self.remote.node.handle_chain_info_query(ChainInfoQuery(chain_id))

    async def _read_baseline(self) -> dict[str, Any]:
        rows = []
        for chain_id in self.plan.chains:
            calls = self._measurements()
            for _ in range(self.plan.baseline_requests):
                await calls.measure(self._read(chain_id))
            rows.append({"chain_id": str(chain_id), "latency_ms": calls.to_json()})
        return {"per_chain": rows}

    async def _read_stress(self) -> dict[str, Any]:
        rows = []
        for chain_id in self.plan.chains:
            levels = [await self._stress(chain_id, level) for level in self.plan.stress_levels]
            rows.append({"chain_id": str(chain_id), "levels": levels})
        return {"per_chain": rows}

    async def _stress(self, chain_id: ChainId, level: int) -> dict[str, Any]:
        calls, clock = self._measurements(), time.perf_counter()
        end = clock + self.plan.stress_seconds

        async def reader() -> None:
            while time.perf_counter() < end:
                await calls.measure(self._read(chain_id))

        await asyncio.gather(*(reader() for _ in range(level)))
        seconds = time.perf_counter() - clock
        return {
            "concurrency": level,
            "duration_secs": round(seconds, 3),
            "completed": len(calls.milliseconds),
            "throughput_per_sec": round(len(calls.milliseconds) / seconds, 1),
            "latency_ms": calls.to_json(),
        }

    # Layer 5

    async def _bulk_download(self) -> dict[str, Any]:
        rows = []
        for chain_id in self.plan.chains:
            heights = await self._bulk_heights(chain_id)
            runs = [
                await self._download(chain_id, heights, level)
                for level in self.plan.bulk_concurrency
            ]
            rows.append({"chain_id": str(chain_id), "runs": runs})
        return {"per_chain": rows}

    async def _bulk_heights(self, chain_id: ChainId) -> range:
        if self.plan.bulk_range is not None:
            return range(*self.plan.bulk_range)
        tip = await self._tip(chain_id) or 0
        return range(max(0, tip - self.plan.bulk_batch_size * _AUTO_BATCHES), tip)

    async def _download(self, chain_id: ChainId, heights: range, level: int) -> dict[str, Any]:
        size = self.plan.bulk_batch_size
        batches = [heights[start : start + size] for start in range(0, len(heights), size)]
        calls, received, volume = self._measurements(), 0, 0
        clock = time.perf_counter()

        async def downloader() -> None:
            nonlocal received, volume
            while batches:
                wanted = tuple(BlockHeight(height) for height in batches.pop(0))
                found = await calls.measure(
                    self.remote.node.download_certificates_by_heights(chain_id, wanted)
                )
                received += len(found or ())
                volume += sum(len(certificate.block.bcs) for certificate in found or ())

        await asyncio.gather(*(downloader() for _ in range(level)))
        seconds = time.perf_counter() - clock
        return {
            "concurrency": level,
            "batch_size": size,
            "heights_range": [heights.start, heights.stop],
            "bytes_in": volume,
            "certs_received": received,
            "duration_secs": round(seconds, 3),
            "mb_per_sec": round(volume / 1e6 / seconds, 3),
            "certs_per_sec": round(received / seconds, 1),
            "latency_ms": calls.to_json(),
        }

    # Layer 6

    async def _tip_lag(self) -> dict[str, Any]:
        plan, clock = self.plan, time.perf_counter()
        samples: dict[ChainId, list[dict[str, Any]]] = {chain: [] for chain in plan.chains}
        for number in range(plan.lag_samples):
            if number:
                await asyncio.sleep(plan.lag_interval_seconds)
            for chain_id, rows in samples.items():
                rows.append(await self._lag(chain_id, time.perf_counter() - clock))
        rows = [
            {"chain_id": str(chain), "samples": found, "trend": lag_trend(found)}
            for chain, found in samples.items()
        ]
        return {"per_chain": rows}

    async def _lag(self, chain_id: ChainId, seconds: float) -> dict[str, Any]:
        others = [each for each in self.client.context.nodes() if each is not self.remote]
        tips = await asyncio.gather(*(self._tip(chain_id, each) for each in others))
        theirs = max((tip for tip in tips if tip is not None), default=None)
        ours = await self._tip(chain_id)
        known = theirs is not None and ours is not None
        return {
            "t_secs": round(seconds, 3),
            "candidate_tip": ours,
            "reference_tip": theirs,
            "lag_blocks": max(0, (theirs or 0) - (ours or 0)) if known else None,
        }


def lag_trend(samples: Sequence[dict[str, Any]]) -> str:
    """Whether the distance to the network shrinks, stays or grows."""
    lags = [sample["lag_blocks"] for sample in samples if sample["lag_blocks"] is not None]
    if len(lags) < 2 or lags[0] == lags[-1]:
        return "stable"
    return "converging" if lags[-1] < lags[0] else "diverging"


async def prepare_benchmark(
    client: Client,
    address: str,
    plan: BenchmarkPlan,
    *,
    public_key: Secp256k1PublicKey | None = None,
) -> Benchmark:
    """Connect, and learn what this wallet must know of the chains that are to be pushed."""
    node = client.context.validators.connect(address, public_key)
    if plan.deep_blocks:
        await fetch_chain_info(client.context, plan.deep_chain or plan.chains[0])
    return Benchmark(client, remote_node(client, node, public_key), plan, public_key)
