"""What a faucet counts (spec 08 §3.2).

`FaucetMetrics` is the interface and counts nothing; `prometheus_metrics` makes one that does, and
imports prometheus_client only then.
"""

from typing import Any

from catenula.services.http.metrics import WriteMetrics, counting


class FaucetMetrics:
    """Does nothing: a faucet without a metrics port."""

    def claim_answered(self, result: str, milliseconds: float) -> None:
        """A claim was answered: ``success``, ``refused`` or ``error``."""

    def batch_done(self, size: int, milliseconds: float) -> None:
        """A block with this many claims was made."""

    def chains_created(self, number: int) -> None:
        """A block created chains."""

    def queue_changed(self, size: int) -> None:
        """So many claims wait."""

    def waited(self, milliseconds: float) -> None:
        """A claim left the queue after this long."""

    def balance_changed(self, attotokens: int) -> None:
        """What the faucet's chain holds."""

    def rate_limited(self) -> None:
        """A claim was refused because of the rate limit."""

    def insufficient_balance(self) -> None:
        """A claim was refused because the faucet is empty."""

    def retryable_error(self) -> None:
        """A batch failed in a way that may pass, and is tried again."""

    def database_operation(self, milliseconds: float) -> None:
        """The database was read for a query."""

    def chains_stored(self, milliseconds: float) -> None:
        """A batch was written to the database."""


_MILLISECONDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class _PrometheusMetrics(FaucetMetrics):
    """Counts into a registry of its own."""

    def __init__(self, prometheus: Any, registry: Any) -> None:
        def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Any:
            return prometheus.Counter(name, text, labels, registry=registry)

        def gauge(name: str, text: str) -> Any:
            return prometheus.Gauge(name, text, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[int, ...] = _MILLISECONDS) -> Any:
            return prometheus.Histogram(name, text, registry=registry, buckets=buckets)

        self._claims = counter("faucet_claim_requests", "Claims by result", ("result",))
        self._latency = histogram("faucet_claim_latency_ms", "From a claim to its answer")
        self._created = counter("faucet_chains_created", "Chains created")
        self._batch_size = histogram("faucet_batch_size", "Claims per block", _SIZES)
        self._batch = histogram("faucet_batch_processing_latency_ms", "Time of one block of claims")
        self._queue = gauge("faucet_queue_size", "Claims that wait")
        self._wait = histogram("faucet_queue_wait_time_ms", "How long claims wait")
        self._balance = gauge("faucet_balance_amount", "Tokens of the faucet's chain")
        self._limited = counter("faucet_rate_limit_rejections", "Refused by the rate limit")
        self._empty = counter("faucet_insufficient_balance_rejections", "Refused: faucet is empty")
        self._database = histogram("faucet_database_operation_latency_ms", "Reads of the database")
        self._retried = counter("faucet_retryable_errors", "Blocks that failed and were retried")
        self._stored = histogram("faucet_store_chain_latency_ms", "Writes of a batch of chains")

    def claim_answered(self, result: str, milliseconds: float) -> None:
        self._claims.labels(result=result).inc()
        self._latency.observe(milliseconds)

    def batch_done(self, size: int, milliseconds: float) -> None:
        self._batch_size.observe(size)
        self._batch.observe(milliseconds)

    def chains_created(self, number: int) -> None:
        self._created.inc(number)

    def queue_changed(self, size: int) -> None:
        self._queue.set(size)

    def waited(self, milliseconds: float) -> None:
        self._wait.observe(milliseconds)

    def balance_changed(self, attotokens: int) -> None:
        self._balance.set(attotokens / 10**18)

    def rate_limited(self) -> None:
        self._limited.inc()

    def insufficient_balance(self) -> None:
        self._empty.inc()

    def retryable_error(self) -> None:
        self._retried.inc()

    def database_operation(self, milliseconds: float) -> None:
        self._database.observe(milliseconds)

    def chains_stored(self, milliseconds: float) -> None:
        self._stored.observe(milliseconds)


def prometheus_metrics() -> tuple[FaucetMetrics, WriteMetrics]:
    """Metrics that count, and a function that writes them in the format of Prometheus."""
    return counting(_PrometheusMetrics)
