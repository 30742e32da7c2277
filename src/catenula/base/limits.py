"""Declared limits: sizes, depths, queue lengths, retries, concurrency.

Every bound that is not part of the protocol's own policy stands here, with its unit in the name.
"""

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""Largest message on the wire (spec 06 §3.1)."""

BATCH_FILL_BYTES = MAX_MESSAGE_BYTES * 7 // 10
"""Batch replies and cross-chain requests are cut before they exceed this (spec 06 §3.1)."""

MAX_RECEIVED_LOG_ENTRIES = 20_000
"""Entries of a received log in one chain info reply (spec 06 §4.9)."""

MAX_CERTIFICATES_PER_READ = 100
"""Certificates read from storage at a time."""

MAX_CACHED_BLOCKS = 5_000
"""Blocks a worker remembers for lite certificates (spec 06 §4.4)."""

MAX_LOADED_CHAINS = 4_096
"""Chains a worker keeps loaded; the least recently used are dropped."""

MAX_CROSS_CHAIN_QUEUE = 100_000
"""Pending (sender, recipient) pairs of a validator's cross-chain delivery."""

MAX_CROSS_CHAIN_BATCH = 1_000
"""Cross-chain requests applied to one chain in one step (spec 06 §5.3)."""

MAX_CROSS_CHAIN_ATTEMPTS = 3
"""How often a batch of cross-chain requests is applied while the disk refuses it."""

MAX_CROSS_CHAIN_LANES = 64
"""Target chains that receive cross-chain requests at the same time, to share commits."""

MAX_REMEMBERED_REFUSALS = 100
"""Refused cross-chain requests whose reasons are kept for inspection."""

MAX_VERIFIED_SIGNATURES = 20_000
"""Signatures a node remembers to have made or verified."""

MAX_SUBSCRIBER_QUEUE = 10_000
"""Notifications waiting for one subscriber; the oldest are dropped and the loss is counted."""

MAX_EVENT_STREAM_QUERIES = 10_000
"""Streams in one request for previous event blocks (spec 06 §2.2)."""
