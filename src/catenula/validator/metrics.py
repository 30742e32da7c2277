"""What a validator counts, and the port on which Prometheus reads it (spec 06 §9).

Counting is adding to plain integers; names, labels and texts are put on when somebody asks. Labels
are methods of the public interface and kinds of errors, so their number is bounded. The library
prometheus_client is imported only when there is a metrics port, and serves it from a thread.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from catenula.base.errors import LocalError
from catenula.transport.calls import StatusCode
from catenula.transport.endpoints import FinishedCall
from catenula.validator.addresses import HostPort
from catenula.validator.driver import NodeDriver

LATENCY_BUCKETS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
SCRAPE_SECONDS = 2.0
"""How long a worker may take to tell its counters."""

Gauges = Mapping[str, float]
"""Values by name; those ending in ``_total`` only ever grow."""


_NAMES = {
    "cross_chain_waiting": "cross_chain_message_tasks",
    "cross_chain_dropped": "cross_chain_message_channel_full_total",
    "notifications_dropped": "notifications_skipped_receiver_lag_total",
    "strangers": "strangers_total",
    "swept_chains": "swept_chains_total",
}
"""The names of spec 06 §9 for what processes tell each other, and counters marked as such."""


class CallCounters:
    """Counts the calls of the public port; see `CallObserver`."""

    def __init__(self) -> None:
        self.finished: dict[tuple[str, StatusCode], int] = {}
        self.latency_ms: dict[str, float] = {}
        self.buckets: dict[str, list[int]] = {}
        self.received_bytes = 0
        self.sent_bytes = 0

    def call_finished(self, call: FinishedCall, response: bytes | None) -> None:
        """See `CallObserver`."""
        key = (call.method, call.code)
        self.finished[key] = self.finished.get(key, 0) + 1
        milliseconds = call.seconds * 1_000
        self.latency_ms[call.method] = self.latency_ms.get(call.method, 0.0) + milliseconds
        buckets = self.buckets.get(call.method)
        if buckets is None:
            buckets = self.buckets[call.method] = [0] * (len(LATENCY_BUCKETS_MS) + 1)
        buckets[bisect_left(LATENCY_BUCKETS_MS, milliseconds)] += 1
        self.received_bytes += call.request_bytes
        self.sent_bytes += call.response_bytes


class MetricsPort:
    """An HTTP port with ``/metrics``; made by `serve_metrics`."""

    def __init__(self, server: Any, counters: CallCounters) -> None:
        self._server, self.counters = server, counters
        self.port: int = server.server_port

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


def serve_metrics(
    address: HostPort, counters: CallCounters, gauges: Callable[[], Mapping[str, Gauges]]
) -> MetricsPort:
    """Serve the metrics of a validator; ``gauges`` gives values by worker, ``""`` for the whole.

    It is called from another thread. Raises `LocalError` when the port is taken.
    """
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(counters, gauges))
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

    def __init__(self, counters: CallCounters, gauges: Callable[[], Mapping[str, Gauges]]) -> None:
        self._counters, self._gauges = counters, gauges

    def collect(self) -> Iterator[Any]:
        """Families, for prometheus_client."""
        yield from self._calls()
        yield from self._values()

    def _calls(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        counters = self._counters
        label = ["method_name"]
        count = CounterMetricFamily("linera_proxy_request_count", "Calls", labels=label)
        success = CounterMetricFamily(
            "linera_proxy_request_success", "Calls ended OK", labels=label
        )
        failed = CounterMetricFamily(
            "linera_proxy_request_error", "Calls ended otherwise", labels=[*label, "error_type"]
        )
        totals: dict[str, int] = {}
        for (method, code), number in sorted(counters.finished.items()):
            totals[method] = totals.get(method, 0) + number
            if code is StatusCode.OK:
                success.add_metric([method], number)
            else:
                failed.add_metric([method, code.name], number)
        for method, number in totals.items():
            count.add_metric([method], number)
        latency = HistogramMetricFamily(
            "linera_proxy_request_latency", "Milliseconds from request to answer", labels=label
        )
        for method, buckets in sorted(counters.buckets.items()):
            rows, below = [], 0
            for limit, number in zip((*LATENCY_BUCKETS_MS, "+Inf"), buckets, strict=True):
                below += number
                rows.append((str(limit), below))
            latency.add_metric([method], buckets=rows, sum_value=counters.latency_ms[method])
        yield from (count, success, failed, latency)
        for name, number in (
            ("linera_proxy_received_bytes", counters.received_bytes),
            ("linera_proxy_sent_bytes", counters.sent_bytes),
        ):
            yield CounterMetricFamily(name, "Bytes of messages", value=number)

    def _values(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        families: dict[str, Any] = {}
        for worker, values in self._gauges().items():
            for told, value in values.items():
                name = _NAMES.get(told, told)
                family = families.get(name)
                if family is None:
                    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
                    text = name.replace("_", " ")
                    family = families[name] = kind(f"linera_{name}", text, labels=["worker"])
                family.add_metric([worker], value)
        yield from families.values()


def driver_gauges(driver: NodeDriver) -> Gauges:
    """What the workers of this process count."""
    return {
        "cross_chain_waiting": driver.waiting_cross_chain_requests,
        "cross_chain_dropped": driver.dropped_cross_chain_requests,
        "loaded_chains": sum(worker.loaded_chains() for worker in driver.workers),
    }


def gauges_of_workers(
    loop: asyncio.AbstractEventLoop, ask: Callable[[], Any]
) -> Mapping[str, Gauges]:
    """Ask worker processes, from another thread than that of the event loop; none when it ended.

    ``ask`` makes the coroutine that gives gauges by worker.
    """
    if not loop.is_running():
        return {}
    asked = asyncio.run_coroutine_threadsafe(ask(), loop)
    try:
        found: Mapping[str, Gauges] = asked.result(SCRAPE_SECONDS)
    except TimeoutError:
        asked.cancel()
        return {}
    return found
