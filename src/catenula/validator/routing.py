"""Which worker serves a chain, for a given number of workers."""

from collections.abc import Callable

from catenula.base.identifiers import ChainId
from catenula.validator.ownership import PARTITIONS, partition_of


def partitions_of_worker(worker: int, workers: int) -> tuple[int, ...]:
    """The partitions that one of so many workers serves; together they serve all of them."""
    return tuple(range(worker, PARTITIONS, workers))


def routing(workers: int) -> Callable[[ChainId], int]:
    """The number of the worker that serves a chain."""
    return lambda chain_id: partition_of(chain_id) % workers
