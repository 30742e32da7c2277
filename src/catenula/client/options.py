"""Settings of a client (spec 07 §1.2). Durations are in microseconds, as in the protocol."""

from dataclasses import dataclass, field

from catenula.base.identifiers import ChainId
from catenula.client.message_policy import MessagePolicy

SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """All settings with their defaults.

    ``quorum_grace_period`` is the fraction of the time a quorum took for which further answers are
    awaited; 0 (ours) acts at once, the reference uses 0.2. ``wait_for_outgoing_messages`` makes a
    block's command return only when its messages are in their recipients' inboxes.
    """

    max_pending_message_bundles: int = 300
    max_block_limit_errors: int = 3
    max_new_events_per_block: int = 10
    staging_bundles_time_budget_us: int | None = None
    wait_for_outgoing_messages: bool = False
    allow_fast_blocks: bool = False
    quorum_grace_period: float = 0.0
    blob_download_hedge_delay_us: int = SECOND_US
    certificate_download_hedge_delay_us: int = SECOND_US
    certificate_batch_size: int = 500
    sender_certificate_batch_size: int = 20_000
    max_joined_tasks: int = 100
    max_event_stream_queries: int = 1_000
    max_background_updates: int = 16
    """Certificates under way to one validator at a time."""
    max_waiting_updates: int = 10_000
    """Chains that wait to be sent to one validator; beyond it the oldest is given up."""
    max_proposal_attempts: int = 16
    """Tries of one command before its last error is reported."""
    chain_lock_patience_us: int = 60 * SECOND_US
    """How long a command waits for another process that makes a block of the same chain."""
    priority_origins: tuple[ChainId, ...] = ()
    """Chains whose messages go into a block before those of others."""
    message_policy: MessagePolicy = field(default_factory=MessagePolicy)


DEFAULT_OPTIONS = ClientOptions()
