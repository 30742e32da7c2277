"""The types of the host interface as domain values (the table of spec 04 §1.2).

Must not know host functions or the engine.
"""

from operator import attrgetter
from struct import Struct
from typing import Any

from catenula.base.identifiers import (
    AccountOwner,
    ApplicationId,
    ChainId,
    CryptoHash,
    GenericApplicationId,
)
from catenula.base.integers import U16, U32, U64, Amount, BlockHeight, TimeDelta, Timestamp
from catenula.execution.applications import StreamUpdate
from catenula.execution.environment import HttpRequest
from catenula.execution.resources import MessageResources
from catenula.execution.runtime import SendMessageRequest
from catenula.execution.wasm.abi import (
    Boolean,
    Bytes,
    Enumeration,
    Integer,
    List,
    Record,
    Text,
    Variant,
    Words,
    option,
)
from catenula.protocol import (
    Account,
    ApplicationDescription,
    ApplicationPermissions,
    ChainOwnership,
    HttpHeader,
    HttpResponse,
    ModuleId,
    StreamId,
    StreamName,
    TimeoutConfig,
    VmRuntime,
)

_HASH_WORDS = Struct(">4Q")
_ADDRESS_WORDS = Struct(">QQI")
_HTTP_METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "CONNECT", "PATCH", "TRACE")
LOG_LEVELS = 5


def _hash(make: Any) -> Words:
    """32 bytes as four big-endian words."""
    return Words(4, lambda *words: make(_HASH_WORDS.pack(*words)), _HASH_WORDS.unpack)


def _address20(first: int, second: int, third: int) -> bytes:
    return _ADDRESS_WORDS.pack(first, second, third >> 32)


def _address20_words(address: bytes) -> tuple[int, int, int]:
    first, second, third = _ADDRESS_WORDS.unpack(address)
    return first, second, third << 32


def _owner(tag: int, payload: Any) -> AccountOwner:
    return AccountOwner.reserved(payload) if tag == 0 else AccountOwner(bytes((tag,)) + payload)


def _owner_case(owner: AccountOwner) -> tuple[int, Any]:
    return owner[0], owner[1] if owner[0] == 0 else owner[1:]


def _generic_application(tag: int, payload: Any) -> GenericApplicationId:
    return GenericApplicationId.user(payload) if tag else GenericApplicationId.SYSTEM


U8_TYPE = Integer(1)
U32_TYPE = Integer(4)
U64_TYPE = Integer(8)
BOOLEAN = Boolean()
BYTES = Bytes()
TEXT = Text()
BYTES_LIST = List(BYTES)
OPTIONAL_BYTES = option(BYTES)

HASH = _hash(CryptoHash)
CHAIN_ID = _hash(ChainId)
APPLICATION_ID = _hash(ApplicationId)
AMOUNT = Words(
    2,
    lambda low, high: Amount(low | high << 64),
    lambda amount: (amount & 0xFFFF_FFFF_FFFF_FFFF, amount >> 64),
)
HEIGHT = Integer(8, BlockHeight)
TIMESTAMP = Integer(8, Timestamp)
TIME_DELTA = Integer(8, TimeDelta)

OWNER = Variant(
    U8_TYPE, HASH, Words(3, _address20, _address20_words), make=_owner, take=_owner_case
)
ACCOUNT = Record(CHAIN_ID, OWNER, make=Account, take=attrgetter("chain_id", "owner"))
VM_RUNTIME = Enumeration(VmRuntime.WASM, VmRuntime.EVM)
MODULE_ID = Record(
    HASH,
    HASH,
    VM_RUNTIME,
    make=ModuleId,
    take=attrgetter("contract_blob_hash", "service_blob_hash", "vm_runtime"),
)
APPLICATION_IDS = List(APPLICATION_ID)
DESCRIPTION = Record(
    MODULE_ID,
    CHAIN_ID,
    HEIGHT,
    Integer(4, U32),
    BYTES,
    APPLICATION_IDS,
    make=ApplicationDescription,
    take=attrgetter(
        "module_id",
        "creator_chain_id",
        "block_height",
        "application_index",
        "parameters",
        "required_application_ids",
    ),
)
PERMISSIONS = Record(
    option(APPLICATION_IDS),
    APPLICATION_IDS,
    APPLICATION_IDS,
    APPLICATION_IDS,
    option(APPLICATION_IDS),
    option(APPLICATION_IDS),
    make=ApplicationPermissions,
    take=attrgetter(
        "execute_operations",
        "mandatory_applications",
        "close_chain",
        "change_application_permissions",
        "call_service_as_oracle",
        "make_http_requests",
    ),
)
TIMEOUT_CONFIG = Record(
    option(TIME_DELTA),
    TIME_DELTA,
    TIME_DELTA,
    TIME_DELTA,
    make=TimeoutConfig,
    take=attrgetter(
        "fast_round_duration", "base_timeout", "timeout_increment", "fallback_duration"
    ),
)


def _ownership(
    super_owners: tuple[AccountOwner, ...],
    owners: tuple[tuple[AccountOwner, int], ...],
    *rest: Any,
) -> ChainOwnership:
    # A set and a map on this side: sorted, and the last weight of an owner counts.
    weights = dict(owners)
    return ChainOwnership(
        tuple(sorted(set(super_owners))),
        {owner: U64(weights[owner]) for owner in sorted(weights)},
        *rest,
    )


def _ownership_fields(ownership: ChainOwnership) -> tuple[Any, ...]:
    return (
        tuple(sorted(ownership.super_owners)),
        tuple(sorted(ownership.owners.items())),
        ownership.multi_leader_rounds,
        ownership.open_multi_leader_rounds,
        ownership.timeout_config,
    )


OWNERSHIP = Record(
    List(OWNER),
    List(Record(OWNER, U64_TYPE)),
    Integer(4, U32),
    BOOLEAN,
    TIMEOUT_CONFIG,
    make=_ownership,
    take=_ownership_fields,
)

HTTP_METHOD = Enumeration(*_HTTP_METHODS)
HTTP_HEADERS = List(Record(TEXT, BYTES, make=HttpHeader, take=attrgetter("name", "value")))
HTTP_REQUEST = Record(HTTP_METHOD, TEXT, HTTP_HEADERS, BYTES, make=HttpRequest)
HTTP_RESPONSE = Record(
    Integer(2, U16),
    HTTP_HEADERS,
    BYTES,
    make=HttpResponse,
    take=attrgetter("status", "headers", "body"),
)
LOG_LEVEL = Enumeration(*range(LOG_LEVELS))
RESOURCES = Record(U64_TYPE, U64_TYPE, *[U32_TYPE] * 14, make=MessageResources)


def _send_message(
    destination: ChainId,
    _authenticated: bool,
    is_tracked: bool,
    grant: MessageResources,
    message: bytes,
) -> SendMessageRequest:
    return SendMessageRequest(destination, message, is_tracked, grant)


SEND_MESSAGE = Record(CHAIN_ID, BOOLEAN, BOOLEAN, RESOURCES, BYTES, make=_send_message)


def _write(tag: int, payload: Any) -> tuple[int, bytes, bytes]:
    # The numbers of the cases are those of `catenula.storage.batch`.
    return (tag, *payload) if isinstance(payload, tuple) else (tag, payload, b"")


WRITE_OPERATIONS = List(
    Variant(
        BYTES, BYTES, Record(BYTES, BYTES), make=_write, take=lambda write: (write[0], write[1:])
    )
)
"""Lifted as the operations of a `Batch`."""

STREAM_NAME = Record(BYTES, make=lambda name: name, take=lambda name: (name,))
GENERIC_APPLICATION_ID = Variant(
    None,
    APPLICATION_ID,
    make=_generic_application,
    take=lambda generic: (generic[0], generic.application_id),
)
STREAM_ID = Record(
    GENERIC_APPLICATION_ID,
    STREAM_NAME,
    make=lambda application, name: StreamId(application, StreamName(name)),
    take=attrgetter("application_id", "stream_name"),
)
STREAM_UPDATES = List(Record(CHAIN_ID, STREAM_ID, U32_TYPE, U32_TYPE, make=StreamUpdate))
BYTECODE = STREAM_NAME
"""Like a stream name, a record of one list of bytes."""
