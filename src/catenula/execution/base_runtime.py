"""Host calls that contracts and services share: who and where, balances, storage, blobs, HTTP.

Names follow the host functions of spec 04 §2.2. Every call charges the budget as spec 02 §14.2
says; a service runs against a policy without prices. Reads of the key-value store come in two
halves, `…_new` (issued and priced) and `wait` (delivered and priced), with a plain form for both.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import urlsplit

from catenula.base.identifiers import AccountOwner, ApplicationId, ChainId, CryptoHash
from catenula.base.integers import Amount, BlockHeight, Timestamp
from catenula.execution import blobs
from catenula.execution.applications import BytecodeSource
from catenula.execution.environment import HttpRequest
from catenula.execution.errors import ExecutionError, runtime_error
from catenula.execution.executor import Executor
from catenula.execution.permissions import is_permitted
from catenula.execution.policy import policy_facts
from catenula.execution.resources import ActionBudget
from catenula.protocol import (
    ApplicationDescription,
    ApplicationPermissions,
    BlobId,
    BlobType,
    ChainOwnership,
    HttpResponse,
    ResourceControlPolicy,
)
from catenula.views import KeyValueStoreView

APPLICATION_DESCRIPTION_SIZE = 109
"""Priced size of a description without parameters and requirements (spec 02 §14.2)."""
OWNERSHIP_SIZE = 36

_HEADER_NAME_CHARACTERS = frozenset(
    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)


_Module = TypeVar("_Module")


class Frame(NamedTuple):
    """One call on the stack of a runtime (spec 04 §4.3)."""

    application_id: ApplicationId
    description: ApplicationDescription
    caller: ApplicationId | None
    signer: AccountOwner | None


class PendingRead(NamedTuple):
    """An issued read: its result, and the sizes to be priced when it is delivered."""

    value: object
    sizes: tuple[int, ...]


class BaseRuntime(ABC, Generic[_Module]):
    """The host as both kinds of guest see it; the current application is the top frame's."""

    def __init__(self, executor: Executor, budget: ActionBudget) -> None:
        self._executor = executor
        self._budget = budget
        self._frames: list[Frame] = []
        self._described: set[ApplicationId] = set()
        self._modules: dict[ApplicationId, tuple[_Module, ApplicationDescription]] = {}

    @abstractmethod
    def _make_module(
        self, description: ApplicationDescription, bytecode: BytecodeSource
    ) -> _Module:
        """Load what this kind of guest runs of an application."""

    def _preload(self, application_id: ApplicationId) -> None:
        """Load an application and what it requires, depth first."""
        stack = [application_id]
        while stack:
            next_id = stack.pop()
            if next_id not in self._modules:
                stack.extend(reversed(self._load(next_id)[1].required_application_ids))

    def _load(self, application_id: ApplicationId) -> tuple[_Module, ApplicationDescription]:
        loaded = self._modules.get(application_id)
        if loaded is None:
            executor = self._executor
            description = blobs.loaded_description(executor, application_id, self._described)
            module = self._make_module(
                description, lambda blob_id: blobs.bytecode(executor, blob_id)
            )
            loaded = self._modules[application_id] = (module, description)
        return loaded

    @property
    def budget(self) -> ActionBudget:
        """The money of the action; a query has none, and nothing costs any."""
        return self._budget

    @property
    def _frame(self) -> Frame:
        return self._frames[-1]

    # Who and where

    def chain_id(self) -> ChainId:
        """The executing chain."""
        self._budget.charge_runtime_bytes(32)
        return self._executor.block.chain_id

    def block_height(self) -> BlockHeight:
        """Height of the executing block; for services the next height."""
        self._budget.charge_runtime_bytes(8)
        return self._executor.block.height

    def application_id(self) -> ApplicationId:
        """The current application."""
        self._budget.charge_runtime_bytes(32)
        return self._frame.application_id

    def application_creator_chain_id(self) -> ChainId:
        """The chain that created the current application."""
        self._budget.charge_runtime_bytes(32)
        return self._frame.description.creator_chain_id

    def application_parameters(self) -> bytes:
        """The parameters of the current application."""
        parameters = self._frame.description.parameters
        self._budget.charge_runtime_bytes(len(parameters))
        return parameters

    def read_application_description(self, application_id: ApplicationId) -> ApplicationDescription:
        """The description of any application; its first use is recorded."""
        description = blobs.read_description(self._executor, application_id)
        self._budget.charge_runtime_bytes(
            APPLICATION_DESCRIPTION_SIZE
            + len(description.parameters)
            + 32 * len(description.required_application_ids)
        )
        return description

    def system_timestamp(self) -> Timestamp:
        """Timestamp of the executing block; for services of the last executed block."""
        self._budget.charge_runtime_bytes(8)
        return self._executor.system.timestamp.get()

    # Accounts and ownership

    def chain_balance(self) -> Amount:
        """The chain's own balance, without the fees of the running action."""
        self._budget.charge_runtime_bytes(16)
        return self._executor.system.balance.get()

    def owner_balance(self, owner: AccountOwner) -> Amount:
        """An owner's balance; 0 when there is no account."""
        self._budget.charge_runtime_bytes(16)
        return self._executor.system.balances.get(owner) or Amount(0)

    def owner_balances(self) -> tuple[tuple[AccountOwner, Amount], ...]:
        """All accounts, owners ascending."""
        entries = tuple(self._executor.system.balances.items())
        self._budget.charge_runtime_bytes(sum(owner.size + 16 for owner, _ in entries))
        return entries

    def balance_owners(self) -> tuple[AccountOwner, ...]:
        """The owners of all accounts, ascending."""
        owners = tuple(self._executor.system.balances.keys())
        self._budget.charge_runtime_bytes(sum(owner.size for owner in owners))
        return owners

    def chain_ownership(self) -> ChainOwnership:
        """The ownership in force, with the changes of this block."""
        ownership = self._executor.system.ownership.get()
        size = OWNERSHIP_SIZE + sum(owner.size for owner in ownership.super_owners)
        size += sum(owner.size + 8 for owner in ownership.owners)
        self._budget.charge_runtime_bytes(size)
        return ownership

    def application_permissions(self) -> ApplicationPermissions:
        """The permissions in force, with the changes of this block."""
        return self._executor.system.application_permissions.get()

    # Key-value storage

    def _store(self) -> KeyValueStoreView | None:
        return self._executor.state.users.try_load(self._frame.application_id)

    def contains_key_new(self, key: bytes) -> PendingRead:
        """Ask whether a key has a value."""
        self._budget.charge_read_operation()
        store = self._store()
        return PendingRead(store is not None and store.contains(key), ())

    def contains_keys_new(self, keys: Sequence[bytes]) -> PendingRead:
        """Ask which keys have a value."""
        self._budget.charge_read_operation()
        store = self._store()
        return PendingRead(tuple(store is not None and store.contains(key) for key in keys), ())

    def read_value_new(self, key: bytes) -> PendingRead:
        """Ask for a value."""
        self._budget.charge_read_operation()
        store = self._store()
        value = None if store is None else store.get(key)
        return PendingRead(value, () if value is None else (len(value),))

    def read_values_new(self, keys: Sequence[bytes]) -> PendingRead:
        """Ask for several values."""
        self._budget.charge_read_operation()
        store = self._store()
        values = tuple(None if store is None else store.get(key) for key in keys)
        return PendingRead(values, tuple(len(value) for value in values if value is not None))

    def find_keys_new(self, prefix: bytes) -> PendingRead:
        """Ask for the keys with a prefix."""
        self._budget.charge_read_operation()
        store = self._store()
        keys = () if store is None else tuple(key for key, _ in store.find_by_prefix(prefix))
        return PendingRead(keys, (sum(len(key) for key in keys),))

    def find_key_values_new(self, prefix: bytes) -> PendingRead:
        """Ask for the entries whose key has a prefix."""
        self._budget.charge_read_operation()
        store = self._store()
        entries = () if store is None else tuple(store.find_by_prefix(prefix))
        return PendingRead(entries, (sum(len(key) + len(value) for key, value in entries),))

    def wait(self, pending: PendingRead) -> object:
        """Deliver an issued read; each is to be delivered once."""
        for size in pending.sizes:
            self._budget.charge_bytes_read(size)
        return pending.value

    def contains_key(self, key: bytes) -> bool:
        """Whether a key has a value."""
        return bool(self.wait(self.contains_key_new(key)))

    def read_value(self, key: bytes) -> bytes | None:
        """The value of a key, None when absent."""
        pending = self.read_value_new(key)
        self.wait(pending)
        value = pending.value
        return value if isinstance(value, bytes) else None

    def find_keys(self, prefix: bytes) -> tuple[bytes, ...]:
        """Keys with a prefix, ascending, without it."""
        pending = self.find_keys_new(prefix)
        self.wait(pending)
        return pending.value  # type: ignore[return-value]  # Made of keys two lines above.

    def find_key_values(self, prefix: bytes) -> tuple[tuple[bytes, bytes], ...]:
        """Entries whose key has a prefix, ascending, keys without it."""
        pending = self.find_key_values_new(prefix)
        self.wait(pending)
        return pending.value  # type: ignore[return-value]  # Made of entries two lines above.

    # Blobs

    def read_data_blob(self, blob_hash: CryptoHash) -> bytes:
        """The content of a data blob, else `BlobsNotFound`."""
        return blobs.read_data_blob(self._executor, BlobId(blob_hash, BlobType.DATA))

    def assert_data_blob_exists(self, blob_hash: CryptoHash) -> None:
        """`BlobsNotFound` unless the data blob is stored."""
        blobs.assert_data_blob_exists(self._executor, BlobId(blob_hash, BlobType.DATA))

    # The world outside

    def log(self, message: str, level: int) -> None:
        """A log line of the guest; never part of execution."""
        self._executor.oracles.log(message, level)

    def is_time_up(self) -> bool:
        """Whether the guest has to stop now."""
        return self._executor.oracles.time_is_up()

    def interruption(self) -> Exception:
        """The error that ends a guest whose time is up."""
        return self._executor.oracles.interruption()

    def _require_http_permission(self) -> None:
        permissions = self._executor.system.application_permissions.get()
        application_id = self._frame.application_id
        if not is_permitted(permissions.make_http_requests, application_id):
            raise runtime_error("UnauthorizedApplication", application_id=application_id)

    def _perform_http(
        self, request: HttpRequest, limit: Callable[[ResourceControlPolicy], int]
    ) -> HttpResponse:
        _check_headers(request)
        host = _host(request.url)
        committee = self._executor.state.current_committee(self._executor.environment)
        if committee is None:
            raise ExecutionError("InactiveChain", chain_id=self._executor.block.chain_id)
        policy = committee.policy
        if host not in policy_facts(committee).allow_list:
            raise ExecutionError("UnauthorizedHttpRequest", url=request.url)
        maximum = limit(policy)
        response = self._executor.oracles.http_request(
            request, timeout_ms=policy.http_request_timeout_ms, maximum_bytes=maximum
        )
        size = len(response.body)
        size += sum(len(header.name) + len(header.value) for header in response.headers)
        if size > maximum:
            raise ExecutionError("HttpResponseSizeLimitExceeded", limit=maximum, size=size)
        return response


def _check_headers(request: HttpRequest) -> None:
    for header in request.headers:
        if not header.name or not set(header.name) <= _HEADER_NAME_CHARACTERS:
            raise ExecutionError("InvalidHeaderName", name=header.name)
        if any((byte < 32 and byte != 9) or byte == 127 for byte in header.value):
            raise ExecutionError("InvalidHeaderValue", name=header.name)


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        raise ExecutionError("InvalidUrlForHttpRequest", url=url) from error
    if parts.scheme not in ("http", "https") or not host:
        raise ExecutionError("InvalidUrlForHttpRequest", url=url)
    return host
