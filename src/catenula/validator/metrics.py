"""What a validator counts, and the port on which Prometheus reads it (spec 06 §9).

Counting is adding to plain integers (`catenula.base.counting`); labels and texts are put on when
somebody asks. Labels are methods of the public interface, kinds of errors, phases and validators,
so their number is bounded. The library prometheus_client is imported only when there is a metrics
port, and serves it from a thread.

The reference names many counters without the ending that Prometheus recommends. Names are its own,
so that its dashboards work; a counter without ``_total`` is exported as untyped, because the
library would add the ending.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from catenula.base.counting import Counter, Histogram, Told
from catenula.base.errors import LocalError
from catenula.execution.meter import ExecutionMeter
from catenula.transport.calls import StatusCode
from catenula.transport.endpoints import FinishedCall
from catenula.validator.addresses import HostPort
from catenula.validator.configuration import ServerConfig
from catenula.validator.driver import NodeDriver
from catenula.worker import Worker

LATENCY_BUCKETS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
SCRAPE_SECONDS = 2.0
"""How long a worker may take to tell its counters."""

TRAFFIC = "unknown"
"""The label ``traffic_type``, as the reference sets it for calls that carry no tracing context."""


class CallCounters:
    """Counts the calls of one port; see `CallObserver`.

    ``prefix`` is ``proxy`` for the public port and ``server`` for a worker's own.
    """

    def __init__(self, prefix: str = "proxy") -> None:
        self._prefix = prefix
        self._count = Counter("method_name", "traffic_type")
        self._success = Counter("method_name", "traffic_type")
        self._errors = Counter("method_name", "traffic_type", "error_type")
        self._cancelled = Counter("method_name", "traffic_type")
        self._milliseconds = Histogram(LATENCY_BUCKETS_MS, "method_name", "traffic_type")
        self._received_bytes = self._sent_bytes = 0

    def call_finished(self, call: FinishedCall, response: bytes | None) -> None:
        """See `CallObserver`."""
        method = call.method
        self._count.add(method, TRAFFIC)
        if call.code is StatusCode.OK:
            self._success.add(method, TRAFFIC)
        else:
            self._errors.add(method, TRAFFIC, call.code.name)
        if call.code is StatusCode.CANCELLED:
            self._cancelled.add(method, TRAFFIC)
        self._milliseconds.observe(call.seconds * 1_000, method, TRAFFIC)
        self._received_bytes += call.request_bytes
        self._sent_bytes += call.response_bytes

    def told(self) -> Told:
        """Everything counted, by the names of spec 06 §9."""
        prefix = self._prefix
        return {
            f"{prefix}_request_count": self._count.told(),
            f"{prefix}_request_success": self._success.told(),
            f"{prefix}_request_error": self._errors.told(),
            f"{prefix}_request_cancelled": self._cancelled.told(),
            f"{prefix}_request_latency": self._milliseconds.told(),
            f"{prefix}_received_bytes_total": self._received_bytes,
            f"{prefix}_sent_bytes_total": self._sent_bytes,
        }


class MetricsPort:
    """An HTTP port with ``/metrics``; made by `serve_metrics`."""

    def __init__(self, server: Any, counters: CallCounters) -> None:
        self._server, self.counters = server, counters
        self.port: int = server.server_port

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


TellWorkers = Callable[[], Mapping[str, Told]]
"""Gives what was counted by worker; the name ``""`` stands for the validator as a whole."""


def serve_metrics(address: HostPort, counters: CallCounters, tell: TellWorkers) -> MetricsPort:
    """Serve the metrics of a validator; ``tell`` is called from another thread.

    Raises `LocalError` when the port is taken.
    """
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(counters, tell))
    try:
        server, _ = start_http_server(address.port, addr=address.host, registry=registry)
    except OSError as error:
        raise LocalError(
            f"the metrics port {address} cannot be opened: {error}; choose another one in the "
            "configuration, or none",
            retryable=True,
        ) from error
    return MetricsPort(server, counters)


class _Collector:
    """Makes metric families of what is counted now."""

    def __init__(self, counters: CallCounters, tell: TellWorkers) -> None:
        self._counters, self._tell = counters, tell

    def collect(self) -> Iterator[Any]:
        """Families, for prometheus_client."""
        families: dict[str, Any] = {}
        for name, told in self._counters.told().items():
            _add(families, name, told, {})
        for worker, values in self._tell().items():
            for name, told in values.items():
                _add(families, name, told, {"worker": worker})
        yield from families.values()


def _add(families: dict[str, Any], name: str, told: Any, labels: Mapping[str, str]) -> None:
    """Add samples to the family ``name``, which is made at its first."""
    from prometheus_client import Metric

    family = families.get(name)
    if family is None:
        exported = f"linera_{name}".removesuffix("_total")
        family = families[name] = Metric(exported, name.replace("_", " "), _kind(name, told))
    if not isinstance(told, Mapping):
        family.add_sample(f"linera_{name}", dict(labels), told)
        return
    for values, *numbers in told.get("counted", ()) or told.get("measured", ()):
        named = {**labels, **dict(zip(told["labels"], values, strict=True))}
        if "bounds" in told:
            _add_measured(family, named, told["bounds"], *numbers)
        else:
            family.add_sample(f"linera_{name}", named, numbers[0])


def _kind(name: str, told: Any) -> str:
    if name.endswith("_total"):
        return "counter"
    if not isinstance(told, Mapping):
        return "gauge"
    return "histogram" if "bounds" in told else "unknown"


def _add_measured(
    family: Any, labels: Mapping[str, str], bounds: list[float], numbers: list[int], total: float
) -> None:
    below = 0
    for bound, number in zip((*bounds, "+Inf"), numbers, strict=True):
        below += number
        family.add_sample(f"{family.name}_bucket", {**labels, "le": f"{bound}"}, below)
    family.add_sample(f"{family.name}_count", dict(labels), below)
    family.add_sample(f"{family.name}_sum", dict(labels), total)


def meter_for(config: ServerConfig) -> ExecutionMeter | None:
    """What measures executions on a validator; None where nobody could read it."""
    if config.metrics is None:
        return None
    return ExecutionMeter(lambda: time.perf_counter_ns() / 1_000)


def driver_told(driver: NodeDriver) -> dict[str, Told]:
    """What a node in one process has counted: as a whole, and by worker where there are several."""
    whole: Told = {
        **driver.told(),
        **driver.notifier.told(),
        "loaded_chains": sum(worker.loaded_chains() for worker in driver.workers),
    }
    if len(driver.workers) == 1:
        return {"": {**whole, **worker_told(driver.worker)}}
    parts = {str(number): worker_told(worker) for number, worker in enumerate(driver.workers)}
    return {"": whole, **parts}


def worker_told(worker: Worker) -> Told:
    """What one worker has counted."""
    return {**worker.told(), **worker.shared.told()}


def told_by_workers(loop: asyncio.AbstractEventLoop, ask: Callable[[], Any]) -> Mapping[str, Told]:
    """Ask worker processes, from another thread than that of the event loop; none when it ended.

    ``ask`` makes the coroutine that gives what was counted by worker.
    """
    if not loop.is_running():
        return {}
    asked = asyncio.run_coroutine_threadsafe(ask(), loop)
    try:
        found: Mapping[str, Told] = asked.result(SCRAPE_SECONDS)
    except TimeoutError:
        asked.cancel()
        return {}
    return found
