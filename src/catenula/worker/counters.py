"""What a worker counts while it handles requests (spec 06 §9).

Handlers call one method per event; nothing here is persisted, decides anything or raises. What a
handler counted is not taken back when its commit fails afterwards.
"""

from collections import defaultdict
from collections.abc import Callable

from catenula.base.counting import Counter, Histogram, Told, counted, plain, spread
from catenula.base.crypto import Secp256k1PublicKey
from catenula.execution.meter import ExecutionMeter
from catenula.protocol import (
    Block,
    ExecuteOperation,
    MessageAction,
    Round,
)
from catenula.protocol.certificates import Signatures
from catenula.protocol.votes import CertificateKind

_ROUND_TYPES = ("fast", "multi", "single", "validator")
_KINDS = {kind: kind.name.lower() for kind in CertificateKind}
_PER_BLOCK = spread(1, 10_000)
_SIZES = spread(1, 1_000_000)


class WorkCounters:
    """Counters of one worker; ``meter`` measures executions where a clock was given."""

    def __init__(self, meter: ExecutionMeter | None = None) -> None:
        self.meter = meter
        self._proposals = 0
        self._rejected = Counter("error_type")
        self._proposal_rounds = Histogram(spread(0.1, 50), "round_type")
        self._certificate_rounds = Histogram(spread(0.1, 50), "certificate_value", "round_type")
        self._blocks = 0
        self._transactions = Histogram(_PER_BLOCK)
        self._operations = Histogram(_PER_BLOCK)
        self._bundles = Histogram(_PER_BLOCK)
        self._rejected_bundles = 0
        self._messages = 0
        self._signers: defaultdict[Secp256k1PublicKey, int] = defaultdict(int)
        self._votes = Counter("certificate_value")
        self._queries = 0
        self._query_inboxes = Histogram(_PER_BLOCK)
        self._query_log_entries = Histogram(spread(1, 100_000))
        self._event_streams = Histogram(_PER_BLOCK)
        self._actions_us = Histogram(spread(1, 1_000_000))
        self._batches = Histogram(spread(1, 1_000))
        self._inboxes = Histogram(_SIZES)
        self._outboxes = Histogram(_SIZES)
        self._outbox_numbers = Histogram(_SIZES)
        self._outbox_heights = Histogram(_SIZES)
        self._anticipated = Histogram(_SIZES)

    # Proposals and votes

    def proposal_received(self, round_: Round) -> None:
        """A proposal is going to be looked at."""
        self._proposals += 1
        self._proposal_rounds.observe(round_.number, _ROUND_TYPES[round_.kind])

    def proposal_rejected(self, code: str) -> None:
        """A proposal was not voted for, for the reason of this code."""
        self._rejected.add(code)

    def voted(self, kind: CertificateKind) -> None:
        """This validator has signed a vote."""
        self._votes.add(_KINDS[kind])

    # Blocks and certificates

    def certificate_taken(
        self, kind: CertificateKind, round_: Round, signatures: Signatures
    ) -> None:
        """A certificate changed something here; its signers are counted for confirmed blocks."""
        self._certificate_rounds.observe(round_.number, _KINDS[kind], _ROUND_TYPES[round_.kind])
        if kind is CertificateKind.CONFIRMED:
            for validator, _ in signatures:
                self._signers[validator] += 1

    def block_added(self, block: Block) -> None:
        """A block was executed on its chain."""
        operations = rejected = messages = 0
        transactions = block.body.transactions
        for transaction in transactions:
            if type(transaction) is ExecuteOperation:
                operations += 1
            else:
                bundle = transaction.bundle  # type: ignore[union-attr]  # The other variant.
                rejected += bundle.action is MessageAction.REJECT
                messages += len(bundle.bundle.messages)
        self._blocks += 1
        self._transactions.observe(len(transactions))
        self._operations.observe(operations)
        self._bundles.observe(len(transactions) - operations)
        self._rejected_bundles += rejected
        self._messages += messages

    # Mailboxes

    def outboxes_changed(self, targets: int, heights: int) -> None:
        """So many recipients, and blocks, of one chain wait for confirmations."""
        self._outbox_numbers.observe(targets)
        self._outbox_heights.observe(heights)

    def outbox_sent(self, queued: int) -> None:
        """A request was made for a recipient for whom so many blocks wait."""
        self._outboxes.observe(queued)

    def update_received(self, waiting: int, anticipated: int) -> None:
        """An inbox took in an update; so many bundles wait in it, or were consumed beforehand."""
        self._inboxes.observe(waiting)
        self._anticipated.observe(anticipated)

    def batch_applied(self, size: int) -> None:
        """So many requests between chains were applied in one step."""
        self._batches.observe(size)

    # Questions

    def chain_queried(self, inboxes: int | None, log_entries: int | None) -> None:
        """A chain info query was answered, with so many inboxes and log entries if asked to."""
        self._queries += 1
        if inboxes is not None:
            self._query_inboxes.observe(inboxes)
        if log_entries is not None:
            self._query_log_entries.observe(log_entries)

    def streams_queried(self, count: int) -> None:
        """The last blocks of so many streams were asked for."""
        self._event_streams.observe(count)

    # Times and telling

    def timed_actions(self, make: Callable[[], None]) -> None:
        """Make the requests for other chains, and note how long that took if times are noted."""
        if self.meter is None:
            make()
            return
        started_us = self.meter.now_us()
        make()
        self._actions_us.observe(self.meter.now_us() - started_us)

    def told(self) -> Told:
        """Everything counted, under the names of spec 06 §9."""
        signers = {str(validator): count for validator, count in tuple(self._signers.items())}
        found: Told = {
            "block_proposals_received_total": self._proposals,
            "block_proposals_rejected_total": self._rejected.told(),
            "num_rounds_in_block_proposal": self._proposal_rounds.told(),
            "num_rounds_in_certificate": self._certificate_rounds.told(),
            "certificates_signed": counted("validator_name", signers),
            "votes_signed_total": self._votes.told(),
        }
        found.update(self._told_blocks())
        found.update(self._told_mailboxes())
        if self.meter is not None:
            found["create_network_actions_latency"] = self._actions_us.told()
            found.update(self.meter.told())
        return found

    def _told_blocks(self) -> Told:
        return {
            "num_blocks": plain(self._blocks),
            "transaction_count": plain(int(self._transactions.total())),
            "operation_count": plain(int(self._operations.total())),
            "incoming_bundle_count": plain(int(self._bundles.total())),
            "rejected_bundle_count": plain(self._rejected_bundles),
            "incoming_message_count": plain(self._messages),
            "transactions_per_block": self._transactions.told(),
            "operations_per_block": self._operations.told(),
            "incoming_bundles_per_block": self._bundles.told(),
        }

    def _told_mailboxes(self) -> Told:
        return {
            "chain_info_queries": plain(self._queries),
            "num_inboxes": self._query_inboxes.told(),
            "received_log_query_entries": self._query_log_entries.told(),
            "previous_event_blocks_stream_count": self._event_streams.told(),
            "cross_chain_batch_size": self._batches.told(),
            "inbox_size": self._inboxes.told(),
            "removed_bundles": self._anticipated.told(),
            "outbox_size": self._outboxes.told(),
            "num_outboxes": self._outbox_numbers.told(),
            "outbox_counters_size": self._outbox_heights.told(),
        }
