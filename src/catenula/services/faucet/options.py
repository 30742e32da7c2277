"""Settings of a faucet (spec 08 §1.5)."""

from pathlib import Path

from msgspec import Struct, field

from catenula.base.integers import Amount, Timestamp
from catenula.client.options import ListenerOptions

DEFAULT_PORT = 8080
DEFAULT_METRICS_PORT = 9090
DEFAULT_BATCH_SIZE = 100
NOTHING = Amount(0)


class FaucetOptions(Struct, frozen=True):
    """All settings.

    ``amount`` is what a new chain holds; ``daily_claim_amount`` 0 switches daily claims off. With
    ``limit_rate_until`` the balance is unlocked evenly until that time. Port 0 takes any free port;
    without a metrics port there are no metrics.
    """

    amount: Amount
    storage_path: Path
    host: str = "0.0.0.0"
    port: int = DEFAULT_PORT
    daily_claim_amount: Amount = NOTHING
    limit_rate_until: Timestamp | None = None
    max_batch_size: int = DEFAULT_BATCH_SIZE
    metrics_port: int | None = None
    listener: ListenerOptions = field(default_factory=ListenerOptions)
