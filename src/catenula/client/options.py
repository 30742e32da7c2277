"""Settings of a client (spec 07 §1.2). Durations are in microseconds, as in the protocol."""

from msgspec import Struct, field

from catenula.base.identifiers import ChainId
from catenula.client.message_policy import MessagePolicy

SECOND_US = 1_000_000


class ClientOptions(Struct, frozen=True):
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
    max_accepted_latency_us: int = 5 * SECOND_US
    """A validator whose answers take so long counts as the worst to ask."""
    cache_ttl_us: int = 2 * SECOND_US
    """How long a downloaded answer serves later requests for the same."""
    cache_max_size: int = 1_000
    """Downloaded answers that are kept so long."""
    max_request_ttl_us: int = SECOND_US // 5
    """A download that has been under way for longer is not waited for by others."""
    alpha: float = 0.1
    """Weight of the newest answer in the moving averages of latency and success."""
    alternative_peers_retry_delay_us: int = 150_000
    """How long a download that is under way elsewhere is waited for before it is made here too."""
    retry_delay_us: int = SECOND_US
    """First pause before a broken notification stream is opened again; doubles each time."""
    max_retries: int = 10
    """Tries to open a notification stream before its validator is only probed."""
    max_backoff_us: int = 30 * SECOND_US
    notification_circuit_breaker_initial_probe_interval_us: int = 300 * SECOND_US
    notification_circuit_breaker_max_probe_interval_us: int = 3_600 * SECOND_US
    long_lived_services: bool = False
    """Keep the instances of services between the queries of one height (spec 04 §5.1)."""
    priority_origins: tuple[ChainId, ...] = ()
    """Chains whose messages go into a block before those of others."""
    message_policy: MessagePolicy = field(default_factory=MessagePolicy)


class ListenerOptions(Struct, frozen=True):
    """Settings of a `ChainListener`: whether it takes messages in, and pauses around doing so."""

    skip_process_inbox: bool = False
    delay_before_us: int = 0
    delay_after_us: int = 0
    wallet_look_us: int = 2 * SECOND_US
    """How often the wallet is looked at for chains that other processes have added."""


DEFAULT_OPTIONS = ClientOptions()
