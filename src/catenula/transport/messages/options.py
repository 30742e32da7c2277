"""What a sender adds to a message beside the value."""

from typing import NamedTuple


class WriteOptions(NamedTuple):
    """Flags of requests that are not part of the value they carry."""

    supports_aggregated_missing: bool = True
    """Whether the sender understands `MissingCrossChainUpdates` (spec 01 §7.2)."""
