"""Comparing a reply with the recorded one, field by field.

Not compared: signature bytes, ``round_timeout``, the texts of errors, the order of the received log
(`ReceivedLogs`). Instead of the signature of a vote, the recorded signature is checked over our
value: only then would the recorded validator's vote count for what our worker voted for.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from catenula.base.codec import Record, codec_of
from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.errors import ProtocolError
from catenula.conformance.differences import Difference, differences, show
from catenula.conformance.traffic.received_logs import FullLog, ReceivedLogs
from catenula.protocol import (
    ChainInfo,
    ChainInfoResponse,
    ChainManagerInfo,
    LiteVote,
    VersionInfo,
    node_error,
)
from catenula.transport.calls import METHODS
from catenula.transport.messages import from_proto_bytes

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
_API_HASHES = ("rpc_hash", "graphql_hash", "wit_hash")
"""What a version says about interfaces; the rest names the program, and ours is another one."""


class Reply(NamedTuple):
    """A status by name, and when it is OK the response, decoded and as it was sent."""

    code: str
    value: Any
    message: bytes | None


def read_reply(method_name: str, code: str, message: bytes | None) -> Reply:
    """Decode a reply; `DecodeError` when the response is not one of the method's."""
    if message is None:
        return Reply(code, None, None)
    return Reply(code, from_proto_bytes(METHODS[method_name].response, message), message)


class Replies:
    """Compares the replies of one validator; ``key`` is the recorded validator's.

    ``full_log`` gives the received log of a chain as our worker has it.
    """

    def __init__(self, key: Secp256k1PublicKey, full_log: FullLog) -> None:
        self._key = key
        self._logs = ReceivedLogs(full_log)

    def compare(
        self, found: Reply, recorded: Reply, *, log_start: int | None
    ) -> Iterator[Difference]:
        """Where ``found`` is not ``recorded``; ``log_start`` is where a requested log begins."""
        if found.code != recorded.code:
            yield Difference("status", found.code, recorded.code)
        elif found.message != recorded.message:
            yield from self._of_responses(found.value, recorded.value, log_start)

    def _of_responses(
        self, found: Any, recorded: Any, log_start: int | None
    ) -> Iterator[Difference]:
        if type(found) is not type(recorded):
            yield Difference("reply", show(found), show(recorded))
        elif isinstance(recorded, ChainInfoResponse):
            yield from self._of_infos(found.info, recorded.info, log_start)
            if found.signature is None:
                yield Difference("signature", "nothing", "a signature")
        elif isinstance(recorded, VersionInfo):
            yield from _of_versions(found, recorded)
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


def _of_versions(found: VersionInfo, recorded: VersionInfo) -> Iterator[Difference]:
    for name in _API_HASHES:
        yield from _of_values(name, getattr(found, name), getattr(recorded, name))


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
    if isinstance(value, Record):
        return codec_of(type(value)).to_json(value)
    return value if value is None or isinstance(value, str | int) else str(value)
