"""What a node service counts.

`NodeServiceMetrics` is the interface and counts nothing; `prometheus_metrics` makes one that does,
and imports prometheus_client only then.
"""

from typing import Any

from catenula.services.http.metrics import WriteMetrics, counting


class NodeServiceMetrics:
    """Does nothing: a service without a metrics port."""

    def request_answered(self, kind: str, status: int, milliseconds: float) -> None:
        """A request was answered: of the kind ``graphql`` or ``application``."""

    def query_answered(self, *, is_cached: bool) -> None:
        """An application was asked, or its last answer repeated."""

    def block_made(self) -> None:
        """A command became a block."""

    def block_heard(self) -> None:
        """A chain got a block."""

    def sockets_changed(self, number: int) -> None:
        """So many WebSockets are open."""


_MILLISECONDS = (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)


class _PrometheusMetrics(NodeServiceMetrics):
    """Counts into a registry of its own."""

    def __init__(self, prometheus: Any, registry: Any) -> None:
        def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Any:
            return prometheus.Counter(f"node_service_{name}", text, labels, registry=registry)

        self._requests = counter("requests", "Requests by kind and status", ("kind", "status"))
        self._latency = prometheus.Histogram(
            "node_service_request_latency_ms",
            "From a request to its answer",
            ("kind",),
            registry=registry,
            buckets=_MILLISECONDS,
        )
        self._queries = counter("application_queries", "Application queries", ("cache",))
        self._made = counter("blocks_made", "Blocks that commands became")
        self._heard = counter("blocks_heard", "Blocks of chains that are followed")
        self._sockets = prometheus.Gauge(
            "node_service_sockets", "WebSockets that are open", registry=registry
        )

    def request_answered(self, kind: str, status: int, milliseconds: float) -> None:
        self._requests.labels(kind=kind, status=str(status)).inc()
        self._latency.labels(kind=kind).observe(milliseconds)

    def query_answered(self, *, is_cached: bool) -> None:
        self._queries.labels(cache="hit" if is_cached else "miss").inc()

    def block_made(self) -> None:
        self._made.inc()

    def block_heard(self) -> None:
        self._heard.inc()

    def sockets_changed(self, number: int) -> None:
        self._sockets.set(number)


def prometheus_metrics() -> tuple[NodeServiceMetrics, WriteMetrics]:
    """Metrics that count, and a function that writes them in the format of Prometheus."""
    return counting(_PrometheusMetrics)
