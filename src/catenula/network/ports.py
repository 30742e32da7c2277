"""Where a local network listens: the port layout of the reference (spec 06 §8.5)."""

import socket

from msgspec import Struct

from catenula.base.errors import LocalError

DEFAULT_BASE_PORT = 9_000
MAX_PORT = 65_535

_FRONT_PRIVATE = 1_000
_WORKER_METRICS = 2_000
_FRONT_METRICS = 3_000
_FRONT_PUBLIC = 4_000


class PortLayout(Struct, frozen=True):
    """Ports by index of validator and worker, both from 0. Each validator has one front door."""

    base: int = DEFAULT_BASE_PORT
    workers: int = 1

    def worker(self, validator: int, worker: int) -> int:
        """Where a worker process listens."""
        return self.base + validator * self.workers + worker + 1

    def worker_metrics(self, validator: int, worker: int) -> int:
        """Where a worker process shows its metrics."""
        return self.worker(validator, worker) + _WORKER_METRICS

    def private(self, validator: int) -> int:
        """Where a front door hears from its workers."""
        return self.base + _FRONT_PRIVATE + validator + 1

    def metrics(self, validator: int) -> int:
        """Where a front door shows its metrics."""
        return self.base + _FRONT_METRICS + validator + 1

    def public(self, validator: int) -> int:
        """Where clients reach a validator."""
        return self.base + _FRONT_PUBLIC + validator + 1

    def check(self, validators: int) -> None:
        """Refuse layouts that leave the range of ports; `LocalError`."""
        highest = max(self.public(validators - 1), self.metrics(validators - 1))
        if self.base < 0 or highest > MAX_PORT:
            raise LocalError(
                f"the ports of {validators} validators do not fit above {self.base}; "
                "choose a lower number with TEST_OFFSET_PORT (default 9000)",
                retryable=False,
            )


def check_free(host: str, port: int, *, purpose: str, advice: str) -> None:
    """Raise `LocalError` when something listens at the port already; 0 is always free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise LocalError(
                f"port {port} for {purpose} is taken ({error.strerror}); {advice}",
                retryable=False,
                port=port,
            ) from error
