"""Comparing a reply with the recorded one, field by field.

Not compared: signature bytes, ``round_timeout``, the texts of errors, the order of the received log
(`ReceivedLogs`). Instead of the signature of a vote, the recorded signature is checked over our
value: only then would the recorded validator's vote count for what our worker voted for.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from catenula.base.codec import codec_of
from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.errors import ProtocolError
from catenula.conformance.differences import Difference, differences, show
from catenula.conformance.traffic.received_logs import FullLog, ReceivedLogs
from catenula.protocol import (
    ChainInfo,
    ChainInfoResponse,
    ChainManagerInfo,
    LiteVote,
    NodeError,
    node_error,
)

_OK = "OK"
_WITH_TEXT = (
    node_error.CryptoError,
    node_error.ArithmeticError,
    node_error.ViewError,
    node_error.ChainError,
    node_error.WorkerError,
)
"""Errors that carry nothing but a text for people."""

_VOTES = ("pending", "timeout_vote", "fallback_vote")
_SEPARATELY = ("manager", "requested_received_log")
_LOCAL_TIME = ("round_timeout",)


class Reply(NamedTuple):
    """A status by name, and the response message when it is OK."""

    code: str
    response: bytes | None


class Replies:
    """Compares the replies of one validator; ``key`` is the recorded validator's.

    ``full_log`` gives the received log of a chain as our worker has it.
    """""

    def __init__(self, key: Secp256k1PublicKey, full_log: FullLog) -> None:
        self._key = key
        self._logs = ReceivedLogs(full_log)

    def compare(
        self, message_name: str, found: Reply, recorded: Reply, *, log_start: int | None
    ) -> list[Difference]:
        """Where ``found`` is not ``recorded``; ``log_start`` is where a requested log begins."""
        if found.code != recorded.code:
            return [Difference("status", found.code, recorded.code)]
        if found.response == recorded.response:
            return []
        if found.code != _OK or found.response is None or recorded.response is None:
            return list(differences("response", _hex(found.response), _hex(recorded.response)))
        return list(self._of_messages(message_name, found.response, recorded.response, log_start))

    def _of_messages(
        self, message_name: str, found_bytes: bytes, recorded_bytes: bytes, log_start: int | None
    ) -> Iterator[Difference]:
        from catenula.transport.messages import from_proto_bytes

        found = from_proto_bytes(message_name, found_bytes)
        recorded = from_proto_bytes(message_name, recorded_bytes)
        if type(found) is not type(recorded):
            yield Difference("reply", show(found), show(recorded))
        elif isinstance(recorded, ChainInfoResponse):
            yield from self._of_infos(found.info, recorded.info, log_start)
            if (found.signature is None) is not (recorded.signature is None):
                yield Difference("signature", show(found.signature), show(recorded.signature))
        elif type(recorded).__name__ == "VersionInfo": pass
        elif not isinstance(recorded, _WITH_TEXT):
            yield from _of_values("reply", found, recorded)

    def _of_infos(
        self, found: ChainInfo, recorded: ChainInfo, log_start: int | None
    ) -> Iterator[Difference]:
        for name in ChainInfo.__struct_fields__:
            if name not in _SEPARATELY:
                yield from _of_values(name, getattr(found, name), getattr(recorded, name))
        yield from self._of_managers(found.manager, recorded.manager)
        yield from self._logs.compare(log_start, found, recorded)

    def _of_managers(
        self, found: ChainManagerInfo, recorded: ChainManagerInfo
    ) -> Iterator[Difference]:
        for name in ChainManagerInfo.__struct_fields__:
            if name in _LOCAL_TIME:
                continue
            ours, theirs = getattr(found, name), getattr(recorded, name)
            if name in _VOTES:
                yield from self._of_votes(f"manager.{name}", ours, theirs)
            else:
                yield from _of_values(f"manager.{name}", ours, theirs)

    def _of_votes(
        self, field: str, found: LiteVote | None, recorded: LiteVote | None
    ) -> Iterator[Difference]:
        if found is None or recorded is None:
            yield from _of_values(field, found, recorded)
            return
        yield from _of_values(f"{field}.value", found.value, recorded.value)
        yield from _of_values(f"{field}.round", found.round, recorded.round)
        try:
            LiteVote(found.value, found.round, recorded.signature).verify(self._key)
        except ProtocolError as error:
            yield Difference(f"{field}.signature", f"over our value: {error}", "valid")


def _of_values(field: str, found: Any, recorded: Any) -> Iterator[Difference]:
    if type(found) is type(recorded) and found == recorded:
        return
    yield from differences(field, _shown(found), _shown(recorded))


def _shown(value: Any) -> Any:
    """The JSON form where the value has one."""
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _shown(item) for name, item in value.items()}
    if isinstance(value, NodeError.__args__):  # type: ignore[attr-defined]  # A union of records.
        return codec_of(NodeError).to_json(value)
    if hasattr(type(value), "__struct_fields__"):
        return codec_of(type(value)).to_json(value)
    return value if value is None or isinstance(value, str | int) else str(value)


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()
