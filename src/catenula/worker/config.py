"""Settings of a worker; the same for every chain it serves."""

import enum

from msgspec import Struct

from catenula.base.identifiers import ChainId
from catenula.base.integers import TimeDelta
from catenula.base.limits import BATCH_FILL_BYTES, MAX_LOADED_CHAINS
from catenula.execution.meter import ExecutionMeter

DEFAULT_GRACE_PERIOD_US = TimeDelta(500_000)


class ProcessMode(enum.Enum):
    """What to do with a confirmed block (spec 05 §9.1)."""

    AUTO = "auto"
    """Execute when contiguous, else preprocess."""
    EXECUTE = "execute"
    """Execute; a gap is an error."""
    PREPROCESS = "preprocess"
    """Never execute."""


class WorkerConfig(Struct):
    """Settings of one worker.

    ``tracked_chains`` is None on a validator, which sends to every chain; on a client node it is
    the set of chains it follows fully. ``meter`` measures executions, where that is wanted.
    With ``long_lived_services`` the instances of services are kept between the queries of a height.
    """

    grace_period_us: TimeDelta = DEFAULT_GRACE_PERIOD_US
    allow_deprecated_epochs: bool = False
    allow_revert_confirm: bool = False
    cross_chain_chunk_bytes: int = BATCH_FILL_BYTES
    tracked_chains: set[ChainId] | None = None
    loaded_chains_limit: int = MAX_LOADED_CHAINS
    meter: ExecutionMeter | None = None
    long_lived_services: bool = False
