"""Counters of a block's resources and the two purses that pay for them (spec 02 §14.1-14.3).

`ResourceTracker` counts; `ResourceController` charges the real accounts of the chain;
`ActionBudget` is the private copy of money a user action runs against. Counters never run
backwards: a failed transaction restores a copy.
"""

from typing import TYPE_CHECKING

from msgspec import Struct

from catenula.base.errors import ArithmeticOverflow
from catenula.base.identifiers import AccountOwner
from catenula.base.integers import U32_MAX, U64_MAX, U128_MAX, Amount
from catenula.execution.errors import ExecutionError, LimitExceeded, runtime_error, runtime_limit
from catenula.protocol import VmRuntime

if TYPE_CHECKING:
    from catenula.execution.policy import PolicyFacts
    from catenula.execution.state import SystemState

EMPTY_BLOCK_SIZE = 94
"""Bytes every block is counted with before its transactions (spec 02 §12.2)."""


class MessageResources(Struct, frozen=True):
    """Resources a user message asks a grant for, in the order of spec 04 §1.2."""

    wasm_fuel: int = 0
    evm_fuel: int = 0
    read_operations: int = 0
    write_operations: int = 0
    bytes_runtime: int = 0
    bytes_to_read: int = 0
    bytes_to_write: int = 0
    blobs_to_read: int = 0
    blobs_to_publish: int = 0
    blob_bytes_to_read: int = 0
    blob_bytes_to_publish: int = 0
    messages: int = 0
    message_size: int = 0
    storage_size_delta: int = 0
    service_as_oracle_queries: int = 0
    http_requests: int = 0


NO_RESOURCES = MessageResources()


class ResourceTracker(Struct):
    """What a block has used so far; ``fees`` is the sum of all charges in attotokens."""

    block_size: int = EMPTY_BLOCK_SIZE
    fees: int = 0
    wasm_fuel: int = 0
    evm_fuel: int = 0
    read_operations: int = 0
    write_operations: int = 0
    bytes_runtime: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    blobs_read: int = 0
    blob_bytes_read: int = 0
    blobs_published: int = 0
    blob_bytes_published: int = 0
    operations: int = 0
    operation_bytes: int = 0
    messages: int = 0
    message_bytes: int = 0
    grants: int = 0
    http_requests: int = 0
    service_oracle_queries: int = 0
    service_oracle_ms: int = 0

    def values(self) -> tuple[int, ...]:
        """All counters in order: a checkpoint."""
        return tuple(getattr(self, name) for name in self.__struct_fields__)

    def restore(self, values: tuple[int, ...]) -> None:
        """Return to a checkpoint."""
        for name, value in zip(self.__struct_fields__, values, strict=True):
            setattr(self, name, value)


class Grant:
    """What is left of the grant of the message being executed."""

    __slots__ = ("amount",)

    def __init__(self, amount: int) -> None:
        self.amount = amount


class ResourceController:
    """Charges the chain's accounts: the chain balance, then the block signer's own account.

    ``is_free`` holds while a free application's message or stream action runs (spec 02 §14.4).
    """

    __slots__ = ("facts", "is_free", "policy", "signer", "tracker")

    def __init__(self, facts: "PolicyFacts", signer: AccountOwner | None) -> None:
        self.facts = facts
        self.policy = facts.policy
        self.signer = signer
        self.tracker = ResourceTracker()
        self.is_free = False

    def funds(self, system: "SystemState", grant: Grant | None = None) -> int:
        """Sum of the sources that pay for an action; the addition is checked."""
        total = system.balance.get() if grant is None else grant.amount
        if self.signer is not None:
            total += system.balances.get(self.signer) or 0
        if total > U128_MAX:
            raise ArithmeticOverflow("add", funds=total)
        return total

    def charge(self, system: "SystemState", fees: int, grant: Grant | None = None) -> None:
        """Take ``fees`` from grant or chain balance, then from the signer's account."""
        if fees == 0 or self.is_free:
            return
        self.tracker.fees += fees
        self._take(system, fees, grant)

    def settle(self, system: "SystemState", spent: int, grant: Grant | None) -> None:
        """Take what a finished action spent of its budget (already counted in the tracker)."""
        if spent:
            self._take(system, spent, grant)

    def _take(self, system: "SystemState", fees: int, grant: Grant | None) -> None:
        left = fees
        if grant is not None:
            paid = min(grant.amount, left)
            grant.amount -= paid
        else:
            balance = system.balance.get()
            paid = min(balance, left)
            system.balance.set(Amount(balance - paid))
        left -= paid
        if left and self.signer is not None:
            own = system.balances.get(self.signer)
            if own is not None:
                paid = min(own, left)
                # An account emptied by fees stays with value 0 (spec 02 §1.2).
                system.balances.insert(self.signer, Amount(own - paid))
                left -= paid
        if left:
            raise ExecutionError("FeesExceedFunding", fees=fees, missing=left)

    def touch_sources(self, system: "SystemState") -> None:
        """The write access every transaction makes at its end (spec 03 §4.3)."""
        system.balance.touch()
        if self.signer is not None:
            system.balances.touch(self.signer)

    def add_block_size(self, size: int) -> None:
        """Count ``size`` bytes towards the block; `LimitExceeded` above the maximum."""
        tracker = self.tracker
        tracker.block_size += size
        if tracker.block_size > self.policy.maximum_block_size:
            raise LimitExceeded(
                "BlockTooLarge",
                size=tracker.block_size,
                maximum=self.policy.maximum_block_size,
            )


class ActionBudget:
    """The money and counters a user action runs against (spec 02 §14.1, §14.2)."""

    __slots__ = ("balance", "facts", "is_free", "policy", "tracker")

    def __init__(self, controller: ResourceController, balance: int) -> None:
        self.facts = controller.facts
        self.policy = controller.policy
        self.tracker = controller.tracker
        self.balance = balance
        self.is_free = controller.is_free

    def spend(self, fees: int) -> None:
        """Deduct ``fees``; `ExecutionError` ``FeesExceedFunding`` when they exceed the budget."""
        if fees == 0 or self.is_free:
            return
        if fees > self.balance:
            raise runtime_error("FeesExceedFunding", fees=fees, balance=self.balance)
        self.balance -= fees
        self.tracker.fees += fees

    def remaining_fuel(self, runtime: VmRuntime) -> int:
        """Fuel units that money and the block's limit still allow."""
        tracker, policy = self.tracker, self.policy
        if runtime == VmRuntime.WASM:
            limit = policy.maximum_wasm_fuel_per_block - tracker.wasm_fuel
            price = policy.wasm_fuel_unit
        else:
            limit = policy.maximum_evm_fuel_per_block - tracker.evm_fuel
            price = policy.evm_fuel_unit
        if price == 0 or self.is_free:
            return limit
        return min(limit, self.balance // price)

    def charge_fuel(self, fuel: int, runtime: VmRuntime) -> None:
        """Count and pay ``fuel`` units."""
        tracker, policy = self.tracker, self.policy
        if runtime == VmRuntime.WASM:
            tracker.wasm_fuel = _counted(tracker.wasm_fuel, fuel, U64_MAX)
            over = tracker.wasm_fuel > policy.maximum_wasm_fuel_per_block
            price = policy.wasm_fuel_unit
        else:
            tracker.evm_fuel = _counted(tracker.evm_fuel, fuel, U64_MAX)
            over = tracker.evm_fuel > policy.maximum_evm_fuel_per_block
            price = policy.evm_fuel_unit
        if over:
            raise runtime_limit("MaximumFuelExceeded", runtime=runtime.name)
        self.spend(fuel * price)

    def charge_runtime_bytes(self, size: int) -> None:
        """Pay for ``size`` bytes given out by a runtime getter."""
        # Written out, because getters are called most of all.
        tracker = self.tracker
        total = tracker.bytes_runtime + size
        if total > U32_MAX:
            raise ArithmeticOverflow("add", counter=tracker.bytes_runtime, added=size)
        tracker.bytes_runtime = total
        fees = size * self.policy.byte_runtime
        if fees:
            self.spend(fees)

    def charge_read_operation(self) -> None:
        """Pay for one read call, whatever its number of keys."""
        tracker = self.tracker
        tracker.read_operations = _counted(tracker.read_operations, 1, U32_MAX)
        self.spend(self.policy.read_operation)

    def charge_bytes_read(self, size: int) -> None:
        """Pay for ``size`` delivered bytes; the block's limit is exclusive."""
        tracker = self.tracker
        tracker.bytes_read = _counted(tracker.bytes_read, size, U64_MAX)
        if tracker.bytes_read >= self.policy.maximum_bytes_read_per_block:
            raise runtime_limit("ExcessiveRead", bytes_read=tracker.bytes_read)
        self.spend(size * self.policy.byte_read)

    def charge_write_operations(self, count: int) -> None:
        """Pay for the operations of a write batch."""
        tracker = self.tracker
        tracker.write_operations = _counted(tracker.write_operations, count, U32_MAX)
        self.spend(count * self.policy.write_operation)

    def charge_bytes_written(self, size: int) -> None:
        """Pay for ``size`` written bytes; the block's limit is exclusive."""
        tracker = self.tracker
        tracker.bytes_written = _counted(tracker.bytes_written, size, U64_MAX)
        if tracker.bytes_written >= self.policy.maximum_bytes_written_per_block:
            raise runtime_limit("ExcessiveWrite", bytes_written=tracker.bytes_written)
        self.spend(size * self.policy.byte_written)

    def charge_grant(self, grant: int) -> None:
        """Pay the grant of an outgoing message."""
        tracker = self.tracker
        tracker.grants = _counted(tracker.grants, grant, U128_MAX)
        self.spend(grant)

    def charge_service_query(self) -> None:
        """Pay for one query of a service as an oracle."""
        tracker = self.tracker
        tracker.service_oracle_queries = _counted(tracker.service_oracle_queries, 1, U32_MAX)
        self.spend(self.policy.service_as_oracle_query)

    def charge_http_request(self) -> None:
        """Pay for one HTTP request."""
        tracker = self.tracker
        tracker.http_requests = _counted(tracker.http_requests, 1, U32_MAX)
        self.spend(self.policy.http_request)

    def remaining_service_ms(self) -> int:
        """Milliseconds left for services as oracles in this block; `LimitExceeded` when none."""
        limit = self.policy.maximum_service_oracle_execution_ms
        if self.tracker.service_oracle_ms >= limit:
            raise runtime_limit("MaximumServiceOracleExecutionTimeExceeded", limit_ms=limit)
        return limit - self.tracker.service_oracle_ms

    def add_service_time(self, elapsed_ms: int) -> None:
        """Count the time a service took; the limit is exclusive."""
        self.tracker.service_oracle_ms += elapsed_ms
        limit = self.policy.maximum_service_oracle_execution_ms
        if self.tracker.service_oracle_ms >= limit:
            raise runtime_limit("MaximumServiceOracleExecutionTimeExceeded", limit_ms=limit)


def _counted(current: int, added: int, maximum: int) -> int:
    total = current + added
    if total > maximum:
        raise ArithmeticOverflow("add", counter=current, added=added)
    return total
