"""Every function the host offers to contracts and services (spec 04 §1.4, §2).

Each entry says what goes in and out and which method of the runtime answers; meaning, charges and
errors are the runtime's (`catenula.execution.base_runtime`). Reads come in two halves, tied
together by a promise that the guest holds (spec 04 §3). Must not know the engine.
"""

from collections.abc import Callable
from typing import Any, Protocol

from catenula.base.errors import invariant
from catenula.execution.base_runtime import PendingRead
from catenula.execution.wasm import types as t
from catenula.execution.wasm.abi import (
    I32,
    MAX_FLAT_PARAMETERS,
    Boolean,
    Enumeration,
    Integer,
    List,
    Record,
    Type,
    Variant,
    lay_out,
    option,
)
from catenula.storage.batch import Batch

BASE_MODULE = "linera:app/base-runtime-api"
CONTRACT_MODULE = "linera:app/contract-runtime-api"
SERVICE_MODULE = "linera:app/service-runtime-api"


class Guest(Protocol):
    """What a host function may use of the instance that calls it."""

    runtime: Any
    """The `ContractRuntime` or `ServiceRuntime` of the action or query."""

    def log(self, message: str, level: int) -> None:
        """Take a line of the guest."""
        ...

    budget: Any
    """The `ActionBudget` that pays for its calls."""
    needed: int
    """Attotokens that its fuel costs if all of it is used."""

    def shorten_fuel(self) -> None:
        """Let the fuel end where the money does."""
        ...

    def settle(self) -> None:
        """Pay for the fuel used so far."""
        ...

    def refuel(self) -> None:
        """Give the guest the fuel that may still be spent."""
        ...

    def promise(self, kind: str, pending: PendingRead) -> int:
        """Keep an issued read; returns its number."""
        ...

    def redeem(self, kind: str, number: int) -> PendingRead:
        """Take back an issued read of this kind; an error when there is none."""
        ...


class HostFunction:
    """One import: its types, and what answers it.

    ``moves_fuel`` marks what spends fuel itself or runs others that do: the guest's count is
    brought up to date before and after. ``enters_guests`` marks what may run other guests.
    An ``answer`` takes the guest and the parameters, or the (empty) slots if there are none.
    """

    def __init__(
        self,
        parameters: tuple[Type, ...],
        result: Type | None,
        answer: Callable[..., Any],
        *,
        moves_fuel: bool = False,
        enters_guests: bool = False,
    ) -> None:
        self.enters_guests = enters_guests
        self._parameters, self._result = parameters, result
        self._answer = _between_settlements(answer) if moves_fuel else answer
        self._layout = lay_out(parameters)[0]
        flat = tuple(slot for parameter in parameters for slot in parameter.flat)
        self._is_spilled = len(flat) > MAX_FLAT_PARAMETERS
        self._core_parameters = (I32,) if self._is_spilled else flat
        self._returns_by_pointer = result is not None and len(result.flat) > 1
        invariant(
            result is None or self._returns_by_pointer or isinstance(result, Integer | Boolean),
            "B1",
            result=result,
        )

    @property
    def core_type(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Core parameters and results."""
        if self._result is None:
            return self._core_parameters, ()
        if self._returns_by_pointer:
            return (*self._core_parameters, I32), ()
        return self._core_parameters, self._result.flat

    def run(self) -> Callable[[Any, list[int]], int | None]:
        """A function of guest and raw slots that answers a call.

        It returns the raw result where there is one. Between the answer and the result, which the
        guest may have to make room for, its fuel is shortened if the answer was that expensive.
        """
        ask, result = self._asking(), self._result
        if result is None:

            def run_without_result(guest: Any, slots: list[int]) -> None:
                ask(guest, slots)
                if guest.budget.balance < guest.needed:
                    guest.shorten_fuel()

            return run_without_result
        store = result.store
        if self._returns_by_pointer:

            def run_by_pointer(guest: Any, slots: list[int]) -> None:
                value = ask(guest, slots)
                if guest.budget.balance < guest.needed:
                    guest.shorten_fuel()
                store(guest, slots[-1] & 0xFFFF_FFFF, value)

            return run_by_pointer

        def run_to_slot(guest: Any, slots: list[int]) -> int:
            value: int = ask(guest, slots)
            if guest.budget.balance < guest.needed:
                guest.shorten_fuel()
            return value

        return run_to_slot

    def _asking(self) -> Callable[[Any, list[int]], Any]:
        """A function that lifts the parameters and gets the answer."""
        answer = self._answer
        if not self._parameters:
            return answer
        if self._is_spilled:
            layout = self._layout

            def ask_with_spilled(guest: Any, slots: list[int]) -> Any:
                base = slots[0] & 0xFFFF_FFFF
                return answer(guest, *[field.load(guest, base + at) for field, at in layout])

            return ask_with_spilled
        lifts = [parameter.lift for parameter in self._parameters]

        def ask_with_flat(guest: Any, slots: list[int]) -> Any:
            remaining = iter(slots)
            return answer(guest, *[lift(guest, remaining) for lift in lifts])

        return ask_with_flat


def _between_settlements(answer: Callable[..., Any]) -> Callable[..., Any]:
    def settled(guest: Guest, *values: Any) -> Any:
        guest.settle()
        value = answer(guest, *values)
        guest.refuel()
        return value

    return settled


_Functions = dict[str, HostFunction]


def _call(method: str, *parameters: Type, returns: Type | None = None) -> HostFunction:
    """A function that a method of the runtime answers as it is."""
    if not parameters:
        return HostFunction((), returns, lambda guest, _: getattr(guest.runtime, method)())

    def answer(guest: Guest, *values: Any) -> Any:
        return getattr(guest.runtime, method)(*values)

    return HostFunction(parameters, returns, answer)


def _read(name: str, method: str, parameter: Type, result: Type) -> _Functions:
    """The two halves of a read of the store."""

    def issue(guest: Guest, asked: Any) -> int:
        return guest.promise(name, getattr(guest.runtime, method)(asked))

    def deliver(guest: Guest, number: int) -> Any:
        return guest.runtime.wait(guest.redeem(name, number))

    return {
        f"{name}-new": HostFunction((parameter,), t.U32_TYPE, issue),
        f"{name}-wait": HostFunction((t.U32_TYPE,), result, deliver),
    }


def _log(guest: Guest, message: str, level: int) -> None:
    guest.log(message, level)


def _base() -> _Functions:
    owner_balance = Record(t.OWNER, t.AMOUNT)
    key_value = Record(t.BYTES, t.BYTES)
    return {
        "get-chain-id": _call("chain_id", returns=t.CHAIN_ID),
        "get-block-height": _call("block_height", returns=t.HEIGHT),
        "get-application-id": _call("application_id", returns=t.APPLICATION_ID),
        "get-application-creator-chain-id": _call(
            "application_creator_chain_id", returns=t.CHAIN_ID
        ),
        "read-application-description": _call(
            "read_application_description", t.APPLICATION_ID, returns=t.DESCRIPTION
        ),
        "application-parameters": _call("application_parameters", returns=t.BYTES),
        "get-chain-ownership": _call("chain_ownership", returns=t.OWNERSHIP),
        "get-application-permissions": _call("application_permissions", returns=t.PERMISSIONS),
        "read-system-timestamp": _call("system_timestamp", returns=t.TIMESTAMP),
        "read-chain-balance": _call("chain_balance", returns=t.AMOUNT),
        "read-owner-balance": _call("owner_balance", t.OWNER, returns=t.AMOUNT),
        "read-owner-balances": _call("owner_balances", returns=List(owner_balance)),
        "read-balance-owners": _call("balance_owners", returns=List(t.OWNER)),
        "perform-http-request": _call("http_request", t.HTTP_REQUEST, returns=t.HTTP_RESPONSE),
        "assert-before": _call("assert_before", t.TIMESTAMP),
        "read-data-blob": _call("read_data_blob", t.HASH, returns=t.BYTES),
        "assert-data-blob-exists": _call("assert_data_blob_exists", t.HASH),
        "log": HostFunction((t.TEXT, t.LOG_LEVEL), None, _log),
        **_read("contains-key", "contains_key_new", t.BYTES, t.BOOLEAN),
        **_read("contains-keys", "contains_keys_new", t.BYTES_LIST, List(t.BOOLEAN)),
        **_read("read-multi-values-bytes", "read_values_new", t.BYTES_LIST, List(t.OPTIONAL_BYTES)),
        **_read("read-value-bytes", "read_value_new", t.BYTES, t.OPTIONAL_BYTES),
        **_read("find-keys", "find_keys_new", t.BYTES, t.BYTES_LIST),
        **_read("find-key-values", "find_key_values_new", t.BYTES, List(key_value)),
    }


def _permitted() -> Variant:
    """``result<tuple<>, error>`` whose only error is *not permitted*; true is success."""
    return Variant(
        None,
        Enumeration("not-permitted"),
        make=lambda tag, _: tag == 0,
        take=lambda permitted: (0, None) if permitted else (1, "not-permitted"),
    )


def _contract() -> _Functions:
    return {
        "authenticated-signer": _call("authenticated_signer", returns=option(t.OWNER)),
        "message-is-bouncing": _call("message_is_bouncing", returns=option(t.BOOLEAN)),
        "message-origin-chain-id": _call("message_origin_chain_id", returns=option(t.CHAIN_ID)),
        "authenticated-caller-id": _call(
            "authenticated_caller_id", returns=option(t.APPLICATION_ID)
        ),
        "send-message": _call("send_message", t.SEND_MESSAGE),
        "transfer": _call("transfer", t.OWNER, t.ACCOUNT, t.AMOUNT),
        "claim": _call("claim", t.ACCOUNT, t.ACCOUNT, t.AMOUNT),
        "open-chain": _call("open_chain", t.OWNERSHIP, t.PERMISSIONS, t.AMOUNT, returns=t.CHAIN_ID),
        "close-chain": _call("close_chain", returns=_permitted()),
        "change-ownership": _call("change_ownership", t.OWNERSHIP, returns=_permitted()),
        "change-application-permissions": _call(
            "change_application_permissions", t.PERMISSIONS, returns=_permitted()
        ),
        "create-data-blob": _call("create_data_blob", t.BYTES, returns=t.HASH),
        "publish-module": _call(
            "publish_module", t.BYTECODE, t.BYTECODE, t.VM_RUNTIME, returns=t.MODULE_ID
        ),
        "emit": _call("emit", t.STREAM_NAME, t.BYTES, returns=t.U32_TYPE),
        "read-event": _call("read_event", t.CHAIN_ID, t.STREAM_NAME, t.U32_TYPE, returns=t.BYTES),
        "subscribe-to-events": _call(
            "subscribe_to_events", t.CHAIN_ID, t.APPLICATION_ID, t.STREAM_NAME
        ),
        "unsubscribe-from-events": _call(
            "unsubscribe_from_events", t.CHAIN_ID, t.APPLICATION_ID, t.STREAM_NAME
        ),
        "validation-round": _call("validation_round", returns=option(t.U32_TYPE)),
        "write-batch": HostFunction(
            (t.WRITE_OPERATIONS,),
            None,
            lambda guest, writes: guest.runtime.write_batch(Batch(writes)),
        ),
    }


def _contract_calls() -> _Functions:
    """What runs other guests or spends fuel itself."""
    return {
        "create-application": HostFunction(
            (t.MODULE_ID, t.BYTES, t.BYTES, t.APPLICATION_IDS),
            t.APPLICATION_ID,
            lambda guest, module_id, parameters, argument, required: (
                guest.runtime.create_application(
                    module_id,
                    parameters=parameters,
                    argument=argument,
                    required_application_ids=required,
                )
            ),
            moves_fuel=True,
            enters_guests=True,
        ),
        "try-call-application": HostFunction(
            (t.BOOLEAN, t.APPLICATION_ID, t.BYTES),
            t.BYTES,
            lambda guest, authenticated, callee, argument: guest.runtime.call_application(
                callee, argument, authenticated=authenticated
            ),
            moves_fuel=True,
            enters_guests=True,
        ),
        "query-service": HostFunction(
            (t.APPLICATION_ID, t.BYTES),
            t.BYTES,
            lambda guest, callee, query: guest.runtime.query_service(callee, query),
            enters_guests=True,
        ),
        "consume-fuel": HostFunction(
            (t.U64_TYPE,),
            None,
            lambda guest, fuel: guest.runtime.consume_fuel(fuel),
            moves_fuel=True,
        ),
    }


def _service() -> _Functions:
    return {
        "schedule-operation": _call("schedule_operation", t.BYTES),
        "try-query-application": HostFunction(
            (t.APPLICATION_ID, t.BYTES),
            t.BYTES,
            lambda guest, callee, query: guest.runtime.query_application(callee, query),
            enters_guests=True,
        ),
        "check-execution-time": HostFunction(
            (t.U64_TYPE,), None, lambda guest, _fuel: guest.runtime.check_execution_time()
        ),
    }


def contract_imports() -> dict[tuple[str, str], HostFunction]:
    """What a contract may import, by module and name."""
    return {
        **{(BASE_MODULE, name): function for name, function in _base().items()},
        **{(CONTRACT_MODULE, name): function for name, function in _contract().items()},
        **{(CONTRACT_MODULE, name): function for name, function in _contract_calls().items()},
    }


def service_imports() -> dict[tuple[str, str], HostFunction]:
    """What a service may import, by module and name."""
    return {
        **{(BASE_MODULE, name): function for name, function in _base().items()},
        **{(SERVICE_MODULE, name): function for name, function in _service().items()},
    }
