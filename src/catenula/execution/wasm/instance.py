"""Instances of contracts and services: entry points, memory, fuel, and the way back of errors.

A guest calls the host on the thread it runs on, so the guest that is running is kept per thread. An
error raised while the host answers ends the guest and leaves the outermost call unchanged; a trap
of the guest's own becomes an `ExecutionError` that says what happened and what the guest logged.

Fuel: the guest counts down (`prepare`); host and guest agree whenever one may notice (spec 04 §7).
What is left is written before the guest runs, and what was used is paid for when control comes
back, at every call that may spend money, and at the end. Instances live for one action or query.
"""

import threading
from struct import Struct
from typing import TYPE_CHECKING, Any

from catenula.base.errors import LocalError
from catenula.base.limits import (
    MAX_GUEST_LINE_CHARACTERS,
    MAX_GUEST_PASSED_BYTES,
    MAX_GUEST_PASSED_ELEMENTS,
    MAX_NESTED_ALLOCATIONS,
    MAX_NESTED_STACK_BYTES,
    MAX_PENDING_READ_BYTES,
    MAX_PENDING_READS,
    MAX_WASM_MEMORY_PAGES,
)
from catenula.execution.applications import StreamUpdate
from catenula.execution.base_runtime import PendingRead
from catenula.execution.errors import ExecutionError, runtime_error
from catenula.execution.wasm.abi import I32, Bytes, List, abi_error
from catenula.execution.wasm.engine import CompiledModule, HostCall
from catenula.execution.wasm.host_functions import HostFunction
from catenula.execution.wasm.library import library
from catenula.execution.wasm.prepare import (
    FUEL_EXPORT,
    STOP_EXPORT,
    STOP_MEMORY_LIMIT,
    STOP_MEMORY_REFUSED,
)
from catenula.execution.wasm.stack import require_stack
from catenula.execution.wasm.types import STREAM_UPDATES

if TYPE_CHECKING:
    from catenula.execution.runtime import ContractRuntime
    from catenula.execution.service_runtime import ServiceRuntime

_CONTRACT_ENTRIES = "linera:app/contract-entrypoints#"
_SERVICE_ENTRY = "linera:app/service-entrypoints#handle-query"
_ALLOCATOR = "cabi_realloc"
CONTRACT_EXPORTS = ("memory", _ALLOCATOR, f"{_CONTRACT_ENTRIES}instantiate")
SERVICE_EXPORTS = ("memory", _ALLOCATOR, _SERVICE_ENTRY)
"""What a module of either kind must export for an application to be created and asked."""
_ALLOCATOR_TYPE = ((I32,) * 4, (I32,))
_LIST_TYPE = ((I32, I32), ())
_LIST_TO_POINTER_TYPE = ((I32, I32), (I32,))
_NOTHING_TYPE: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
_SLOT_WORDS = 2
_SMALL_READ = 4_096
_TRAPS_AT_HAND = 256
_ALLOCATOR_SLOTS = 4
_LARGEST_FUEL = (1 << 63) - 1
_LARGEST_ALLOCATION = (1 << 31) - 1
_SHOWN_LINES = 3
_POINTER_PAIR = Struct("<II")
_I64_VALUE = 1


class _Running(threading.local):
    """The guest that runs on this thread, and what of the thread's stack is in use.

    ``address`` is where on the stack the latest call was that may run another guest, and
    ``bottom`` where the first of the calls now open was.
    """

    guest: "Guest | None" = None
    has_stack = False
    address = 0
    bottom = 0


_running = _Running()


def answering(function: HostFunction) -> HostCall:
    """What the engine calls when a guest on any thread calls ``function``."""
    run = function.run()
    words = _SLOT_WORDS * len(function.core_type[0])
    unpack = library().ffi.unpack
    running, spare_traps = _running, _SPARE_TRAPS
    enters_guests = function.enters_guests
    cast = library().ffi.cast

    def call(_data: Any, _caller: Any, slots: Any, _count: int) -> int:
        guest = running.guest
        try:
            if enters_guests:
                running.address = int(cast("uintptr_t", slots))
            raw = unpack(slots, words)[::_SLOT_WORDS] if words else []
            result = run(guest, raw)
            if result is not None:
                slots[0] = result
        except BaseException as error:  # noqa: BLE001  # Raised again by the outermost call.
            # Nothing is called here that could fail for want of stack: the engine would take the
            # call for answered.
            guest.failure = error  # type: ignore[union-attr]  # Whoever calls is running.
            return spare_traps.pop()
        return 0

    return call


def unanswered(_kind: Any, error: BaseException, _trace: Any) -> int:
    """What the engine is told when an error came before, or after, a call could be answered."""
    guest = _running.guest
    if guest is not None:
        guest.failure = error
    return _SPARE_TRAPS.pop()


def _new_trap() -> int:
    ffi, functions = library()
    return int(ffi.cast("size_t", functions.wasmtime_trap_new(b"host", 4)))


_SPARE_TRAPS: list[int] = []
"""Addresses of traps made in advance; each ends one call."""


def prepare_traps() -> None:
    """Have traps at hand, so that failing needs nothing that could fail."""
    while len(_SPARE_TRAPS) < _TRAPS_AT_HAND:
        _SPARE_TRAPS.append(_new_trap())


def is_time_up() -> bool:
    """Whether the guest that runs on this thread has to stop."""
    guest = _running.guest
    return guest is not None and guest.is_time_up()


def _check_stack() -> None:
    """A guest is about to be entered; it needs enough of the stack of this thread."""
    running = _running
    if running.guest is None:
        running.bottom = 0
        if not running.has_stack:
            require_stack()
            running.has_stack = True
        return
    if running.bottom == 0:
        running.bottom = running.address
    used_bytes = max(0, running.bottom - running.address)
    if used_bytes > MAX_NESTED_STACK_BYTES:
        raise runtime_error("ExcessiveCallDepth", stack_bytes=used_bytes)


class Guest:
    """One instance of a module, with the runtime that answers it."""

    def __init__(self, module: CompiledModule, runtime: Any) -> None:
        self.runtime, self.budget, self.needed = runtime, runtime.budget, 0
        self._engine = module.engine
        self._library = library()
        self._instance = module.instantiate()
        self.failure: BaseException | None = None
        self._lines: list[str] = []
        self._promises: dict[int, tuple[str, PendingRead]] = {}
        self._promised_bytes = 0
        self._next_promise = 0
        self._allocating = 0
        self._read_elements = 0
        self._memory = self._instance.memory("memory")
        self._allocator = self._instance.function(_ALLOCATOR, _ALLOCATOR_TYPE)
        if self._memory is None or self._allocator is None:
            raise ExecutionError(
                "WasmError", reason=f"the module does not export memory and {_ALLOCATOR}"
            )
        functions = self._library.functions
        self._base = functions.wasmtime_memory_data(self._instance.context, self._memory)
        self._size = 0
        self._view = b""
        self._read_bytes = 0
        self._slots = self._library.ffi.new("uint64_t[]", _SLOT_WORDS * _ALLOCATOR_SLOTS)

    # Entry points

    def _enter(self, name: str, core_type: Any, argument: Any, kind: Bytes | List | None) -> int:
        """Lower the argument and call an entry point; returns its raw result, if it has one."""
        function = self._instance.function(name, core_type)
        if function is None:
            raise ExecutionError("WasmError", reason=f"the module does not export {name}")
        previous = _running.guest
        _check_stack()
        _running.guest = self
        self._engine.ticker.guest_enters()
        try:
            self.refuel()
            slots = self._library.ffi.new("uint64_t[]", _SLOT_WORDS * 2)
            count = 0
            if kind is not None:
                slots[0], slots[_SLOT_WORDS], count = *self._lower(argument, kind), 2
            self._call(function, slots, max(count, 1))
            self.settle()
        finally:
            self._engine.ticker.guest_leaves()
            _running.guest = previous
        return int(slots[0]) & 0xFFFF_FFFF

    def _lower(self, argument: Any, kind: Bytes | List) -> tuple[int, int]:
        if isinstance(kind, List):
            base = kind.allocate(self, argument)
            kind.fill(self, base, argument)
        else:
            base = self.allocate(1, len(argument))
            self.write(base, argument)
        return base, len(argument)

    def _returned_bytes(self, pointer: int) -> bytes:
        return self.read(*_POINTER_PAIR.unpack(self.read(pointer, 8)))

    def refuel(self) -> None:
        """Give the guest the fuel that may still be spent; services burn none."""

    def settle(self) -> None:
        """Pay for the fuel used so far; services burn none."""

    def _call(self, function: Any, slots: Any, count: int) -> None:
        trapped = self._instance.call(function, slots, count)
        if trapped is not None:
            self._raise(*trapped)

    def _raise(self, code: int | None, text: str) -> None:
        prepare_traps()
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        self.settle()
        text = self._explain(text)
        raise runtime_error("WasmError", reason=text, log=tuple(self._lines))

    def _explain(self, text: str) -> str:
        """What a trap means; may raise what it means instead."""
        return text

    # Calls of the host

    def shorten_fuel(self) -> None:
        """Let the fuel end where the money does; services burn none."""

    def log(self, message: str, level: int) -> None:
        """Take a line of the guest; the last ones explain a trap."""
        message = message[:MAX_GUEST_LINE_CHARACTERS]
        self._lines.append(message)
        del self._lines[:-_SHOWN_LINES]
        self.runtime.log(message, level)

    def promise(self, kind: str, pending: PendingRead) -> int:
        """Keep an issued read; returns its number."""
        number = self._next_promise
        self._promised_bytes += sum(pending.sizes)
        if (
            len(self._promises) >= MAX_PENDING_READS
            or self._promised_bytes > MAX_PENDING_READ_BYTES
        ):
            raise abi_error("too many reads are pending", reads=len(self._promises))
        self._promises[number] = (kind, pending)
        self._next_promise += 1
        return number

    def redeem(self, kind: str, number: int) -> PendingRead:
        """Take back an issued read."""
        found, pending = self._promises.pop(number, (None, None))
        if found != kind or pending is None:
            raise abi_error("waiting for a read that was not issued", promise=number)
        self._promised_bytes -= sum(pending.sizes)
        return pending

    def is_time_up(self) -> bool:
        """Ask the host; when it says so, its error ends the guest."""
        try:
            if not self.runtime.is_time_up():
                return False
            self.failure = self.runtime.interruption()
        except BaseException as error:  # noqa: BLE001  # Raised again by the outermost call.
            self.failure = error
        return True

    # Memory

    def read(self, address: int, size: int) -> bytes:
        """Copy bytes out of the guest's memory."""
        end = address + size
        if end > self._size:
            self._look_again(address, size)
        if size > _SMALL_READ:
            self._count(size)
        return self._view[address:end]

    def _count(self, size: int) -> None:
        """Many pointers may lead to the same large content, which is copied for each."""
        self._read_bytes += size
        if self._read_bytes > MAX_GUEST_PASSED_BYTES:
            raise abi_error("the guest passes too much to the host", maximum=MAX_GUEST_PASSED_BYTES)

    def claim(self, elements: int) -> None:
        """A few bytes of the guest's may be an element, which is an object of ours."""
        self._read_elements += elements
        if self._read_elements > MAX_GUEST_PASSED_ELEMENTS:
            raise abi_error("the guest passes too many elements", maximum=MAX_GUEST_PASSED_ELEMENTS)

    def write(self, address: int, content: bytes) -> None:
        """Copy bytes into the guest's memory."""
        end = address + len(content)
        if end > self._size:
            self._look_again(address, len(content))
        self._view[address:end] = content  # type: ignore[index]  # A buffer by now.

    def _look_again(self, address: int, size: int) -> None:
        """The memory may have grown; it never moves (the engine reserves its whole range)."""
        ffi, functions = self._library
        self._size = functions.wasmtime_memory_data_size(self._instance.context, self._memory)
        self._view = ffi.buffer(self._base, self._size)
        if address + size > self._size:
            raise abi_error("access outside of the memory", address=address, size=size)

    def allocate(self, alignment: int, size: int) -> int:
        """Let the guest allocate; its work is metered like any other."""
        if size > _LARGEST_ALLOCATION:
            raise abi_error("an allocation is too large", size=size)
        slots = self._slots
        slots[0], slots[2], slots[4], slots[6] = 0, 0, alignment, size
        if self._allocating >= MAX_NESTED_ALLOCATIONS:
            raise abi_error("the allocator calls itself by way of the host", size=size)
        self._allocating += 1
        self._call(self._allocator, slots, _ALLOCATOR_SLOTS)
        self._allocating -= 1
        address = int(slots[0]) & 0xFFFF_FFFF
        if address >> 31:
            raise abi_error("the allocator failed", size=size)
        return address

    # Globals

    def _get_global(self, variable: Any, *, is_64_bit: bool) -> int:
        value = self._library.ffi.new("wasmtime_val_t *")
        self._library.functions.wasmtime_global_get(self._instance.context, variable, value)
        return int(value.of.i64 if is_64_bit else value.of.i32)


class WasmContract(Guest):
    """A contract during one action (`catenula.execution.applications.ContractInstance`)."""

    def __init__(self, module: CompiledModule, runtime: "ContractRuntime") -> None:
        super().__init__(module, runtime)
        self._fuel = self._instance.global_variable(FUEL_EXPORT)
        self._value = self._library.ffi.new("wasmtime_val_t *")
        self._value.kind = _I64_VALUE
        self._given = 0
        self._price = runtime.fuel_price

    def instantiate(self, argument: bytes) -> None:
        """Set up a new application."""
        self._enter(_CONTRACT_ENTRIES + "instantiate", _LIST_TYPE, argument, Bytes())

    def execute_operation(self, operation: bytes) -> bytes:
        """Execute an operation; returns the response."""
        entry = _CONTRACT_ENTRIES + "execute-operation"
        pointer = self._enter(entry, _LIST_TO_POINTER_TYPE, operation, Bytes())
        return self._returned_bytes(pointer)

    def execute_message(self, message: bytes) -> None:
        """Execute a message."""
        self._enter(_CONTRACT_ENTRIES + "execute-message", _LIST_TYPE, message, Bytes())

    def process_streams(self, updates: tuple[StreamUpdate, ...]) -> None:
        """Take notice of events."""
        entry = _CONTRACT_ENTRIES + "process-streams"
        self._enter(entry, _LIST_TYPE, updates, STREAM_UPDATES)

    def finalize(self) -> None:
        """End the action."""
        self._enter(_CONTRACT_ENTRIES + "finalize", _NOTHING_TYPE, None, None)

    def _enter(self, name: str, core_type: Any, argument: Any, kind: Bytes | List | None) -> int:
        try:
            return super()._enter(name, core_type, argument, kind)
        except ExecutionError as error:
            if error.raised_by_runtime and error.code != "WasmError":
                # The block's limits are not recognised either (spec 04 §2.5).
                raise ExecutionError("WasmError", reason=error.message()) from error
            raise

    def _explain(self, text: str) -> str:
        stop = self._instance.global_variable(STOP_EXPORT)
        stopped = self._get_global(stop, is_64_bit=False)
        if stopped == STOP_MEMORY_REFUSED:
            # Other nodes may have it: the code is not to blame, and must not be refused here.
            raise LocalError("there is no memory left for an application", retryable=True)
        if stopped == STOP_MEMORY_LIMIT:
            return f"an instance may have {MAX_WASM_MEMORY_PAGES} pages of memory"
        return text

    # Fuel

    def refuel(self) -> None:
        """Give the guest what may still be spent."""
        self._given = min(self.runtime.remaining_fuel(), _LARGEST_FUEL)
        self.needed = self._given * self._price
        self._value.of.i64 = self._given
        self._library.functions.wasmtime_global_set(self._instance.context, self._fuel, self._value)

    def settle(self) -> None:
        """Pay for the fuel used so far; raises what says that it was too much."""
        self._library.functions.wasmtime_global_get(self._instance.context, self._fuel, self._value)
        left = int(self._value.of.i64)
        used, self._given = self._given - left, left
        if used:
            self.runtime.consume_fuel(used)

    def shorten_fuel(self) -> None:
        """What is left of the money does not reach as far as the fuel."""
        self.settle()
        self.refuel()


class WasmService(Guest):
    """A service during one query (`catenula.execution.applications.ServiceInstance`)."""

    def __init__(self, module: CompiledModule, runtime: "ServiceRuntime") -> None:
        super().__init__(module, runtime)

    def handle_query(self, argument: bytes) -> bytes:
        """Answer a query."""
        pointer = self._enter(_SERVICE_ENTRY, _LIST_TO_POINTER_TYPE, argument, Bytes())
        return self._returned_bytes(pointer)
