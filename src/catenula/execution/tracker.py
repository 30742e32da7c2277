"""What one transaction has produced so far, and the replay of its oracle responses (spec 02 §10).

A tracker lives for one transaction. Lists keep the order of creation; created blobs are sorted by
(type, hash) when the transaction ends.
"""

from collections.abc import Callable, Sequence

from catenula.base.errors import ArithmeticOverflow
from catenula.base.identifiers import ApplicationId, ChainId
from catenula.base.integers import U32_MAX
from catenula.execution.errors import ExecutionError
from catenula.protocol import (
    BlobContent,
    BlobId,
    Event,
    OracleResponse,
    OutgoingMessage,
    StreamId,
)

StreamKey = tuple[ChainId, StreamId]
StreamRange = tuple[int, int]


class TransactionTracker:
    """Messages, events, oracle responses and blobs of the transaction being executed.

    ``earlier_blobs`` are the blobs created by earlier transactions of the block, by id; ``replay``
    is the recorded list of oracle responses when a confirmed block is executed, else None.
    """

    __slots__ = (
        "_replay_position",
        "created_blobs",
        "earlier_blobs",
        "events",
        "free_blobs",
        "next_application_index",
        "next_chain_index",
        "operation_result",
        "oracle_responses",
        "outgoing_messages",
        "published_blobs",
        "replay",
        "streams_to_process",
    )

    def __init__(
        self,
        earlier_blobs: dict[BlobId, BlobContent],
        replay: Sequence[OracleResponse] | None,
        *,
        next_application_index: int,
        next_chain_index: int,
    ) -> None:
        self.earlier_blobs = earlier_blobs
        self.replay = replay
        self._replay_position = 0
        self.next_application_index = next_application_index
        self.next_chain_index = next_chain_index
        self.outgoing_messages: list[OutgoingMessage] = []
        self.oracle_responses: list[OracleResponse] = []
        self.events: list[Event] = []
        self.created_blobs: dict[BlobId, BlobContent] = {}
        self.free_blobs: set[BlobId] = set()
        self.published_blobs: set[BlobId] = set()
        self.streams_to_process: dict[ApplicationId, dict[StreamKey, StreamRange]] = {}
        self.operation_result: bytes = b""

    # Oracle responses

    def oracle(self, compute: Callable[[], OracleResponse]) -> OracleResponse:
        """The next recorded response in replay, else the computed one; it is recorded."""
        response = compute() if self.replay is None else self._next_recorded()
        self.oracle_responses.append(response)
        return response

    def record_or_match(self, response: OracleResponse) -> None:
        """Record ``response``; in replay the next recorded one must equal it."""
        if self.replay is not None:
            recorded = self._next_recorded()
            if recorded != response:
                raise ExecutionError("OracleResponseMismatch", expected=response, recorded=recorded)
        self.oracle_responses.append(response)

    def _next_recorded(self) -> OracleResponse:
        replay = self.replay or ()
        position = self._replay_position
        if position >= len(replay):
            raise ExecutionError("MissingOracleResponse", position=position)
        self._replay_position = position + 1
        return replay[position]

    # Blobs

    def blob_of_block(self, blob_id: BlobId) -> BlobContent | None:
        """A blob created in this transaction or an earlier one of the block."""
        return self.created_blobs.get(blob_id) or self.earlier_blobs.get(blob_id)

    def add_created_blob(self, content: BlobContent, *, is_free: bool = False) -> None:
        """Record a created blob; a free one costs nothing and is not size-checked."""
        self.created_blobs[content.id] = content
        if is_free:
            self.free_blobs.add(content.id)

    def sorted_created_blobs(self) -> list[tuple[BlobId, BlobContent]]:
        """Created blobs by (type, hash)."""
        return sorted(self.created_blobs.items(), key=lambda entry: entry[0].order_key())

    # Indices

    def take_application_index(self) -> int:
        """The index of the application being created in this block."""
        index = self.next_application_index
        self.next_application_index = _next_index(index)
        return index

    def take_chain_index(self) -> int:
        """The index of the chain being opened in this block."""
        index = self.next_chain_index
        self.next_chain_index = _next_index(index)
        return index

    # Streams

    def schedule_stream(
        self, application_id: ApplicationId, stream: StreamKey, updates: StreamRange
    ) -> None:
        """Schedule the application for new events; ranges of one stream merge (spec 02 §11)."""
        previous, following = updates
        if previous == following:
            return
        streams = self.streams_to_process.setdefault(application_id, {})
        known = streams.get(stream)
        if known is not None:
            previous, following = min(known[0], previous), max(known[1], following)
        streams[stream] = (previous, following)

    def cancel_stream(self, application_id: ApplicationId, stream: StreamKey) -> None:
        """Forget a scheduled update."""
        streams = self.streams_to_process.get(application_id)
        if streams is not None and streams.pop(stream, None) is not None and not streams:
            del self.streams_to_process[application_id]

    def take_streams(self) -> dict[ApplicationId, dict[StreamKey, StreamRange]]:
        """All scheduled updates, which are forgotten here."""
        taken = self.streams_to_process
        self.streams_to_process = {}
        return taken

    # End

    def finish(self) -> None:
        """Check that nothing scheduled and nothing recorded is left (spec 02 §12.2)."""
        if self.streams_to_process:
            raise ExecutionError("UnprocessedStreams")
        if self.replay is not None and self._replay_position < len(self.replay):
            raise ExecutionError(
                "UnexpectedOracleResponse", response=self.replay[self._replay_position]
            )


def _next_index(index: int) -> int:
    if index >= U32_MAX:
        raise ArithmeticOverflow("add", index=index)
    return index + 1
