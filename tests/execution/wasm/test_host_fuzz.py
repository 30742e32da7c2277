"""Every host function takes any arguments: it answers or the guest is refused, by name."""

from collections.abc import Callable, Iterable
from functools import lru_cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catenula.execution.errors import ExecutionError
from catenula.execution.wasm.abi import I32
from catenula.execution.wasm.host_functions import HostFunction, contract_imports, service_imports
from catenula.protocol import TESTNET
from catenula.testing.contracts import Application, ContractTest
from tests.execution.wasm.contracts import NO_RESPONSE, contract, service

CONTRACT_FUNCTIONS = {name: function for (_, name), function in contract_imports().items()}
SERVICE_FUNCTIONS = {name: function for (_, name), function in service_imports().items()}
SLOTS_AT = 1024
"""Where the caller lays out raw arguments, 8 bytes each; the memory behind them is its own."""
MEMORY_AT = 1280
RESULT_AT = 512
MOST_CHARACTERS = 2_000


def caller(functions: dict[str, HostFunction]) -> str:
    """A function per host function that calls it with the slots, and a table of them."""
    bodies = "".join(
        f"(func $try{number} {_call(name, function)})"
        for number, (name, function) in enumerate(functions.items())
    )
    elements = " ".join(f"$try{number}" for number in range(len(functions)))
    return f"""(type $try (func)) (table {len(functions)} funcref)
      (elem (i32.const 0) {elements}) {bodies}"""


def _call(name: str, function: HostFunction) -> str:
    parameters, results = function.core_type
    arguments = " ".join(
        f"({'i32' if kind == I32 else 'i64'}.load (i32.const {SLOTS_AT + 8 * position}))"
        for position, kind in enumerate(parameters)
    )
    return f"(drop (call ${name} {arguments}))" if results else f"(call ${name} {arguments})"


COPY_AND_CALL = f"""(local $i i32)
  (if (local.get $length) (then
    (loop
      (i32.store8 (i32.add (i32.const {SLOTS_AT - 8}) (local.get $i))
        (i32.load8_u (i32.add (local.get $at) (local.get $i))))
      (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
        (local.get $length))))
    (call_indirect (type $try) (i32.load (i32.const {SLOTS_AT - 8})))))
  {NO_RESPONSE}"""
"""The argument: the function's number in 8 bytes, then slots and memory."""


@lru_cache(maxsize=1)
def application() -> Application:
    """The contract and the service that call everything; made once."""
    test = ContractTest(TESTNET.replace(maximum_wasm_fuel_per_block=TESTNET.maximum_block_size))
    return test.deploy(
        contract(COPY_AND_CALL, imports=CONTRACT_FUNCTIONS, more=caller(CONTRACT_FUNCTIONS)),
        service(COPY_AND_CALL, imports=SERVICE_FUNCTIONS, more=caller(SERVICE_FUNCTIONS)),
        parameters=b"parameters",
        argument=b"",
    )


def numbers(bits: int) -> st.SearchStrategy[int]:
    """Integers that are pointers into the memory, small, at the edges, or anything."""
    return st.one_of(
        st.integers(MEMORY_AT, MEMORY_AT + 256),
        st.integers(0, 20),
        st.sampled_from([RESULT_AT, 17 << 16, (17 << 16) - 8, 1 << 31, (1 << bits) - 1]),
        st.integers(0, (1 << bits) - 1),
    )


@st.composite
def calls(draw: st.DrawFn, functions: Iterable[HostFunction]) -> bytes:
    """The argument that makes one call."""
    kinds = [function.core_type[0] for function in functions]
    number = draw(st.integers(0, len(kinds) - 1))
    slots = b"".join(
        draw(numbers(32 if kind == I32 else 64)).to_bytes(8, "little") for kind in kinds[number]
    )
    words = draw(st.lists(numbers(32), max_size=40))
    memory = b"".join(word.to_bytes(4, "little") for word in words) + draw(st.binary(max_size=64))
    padding = bytes(MEMORY_AT - SLOTS_AT - len(slots))
    return number.to_bytes(8, "little") + slots + padding + memory


FUZZ = settings(
    deadline=None,
    max_examples=500,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@given(calls(CONTRACT_FUNCTIONS.values()))
@FUZZ
def test_contracts_may_call_with_anything(operation: bytes) -> None:
    asked = application()
    before = asked.chain.state.system.balance.get()
    refusal = refused(lambda: asked.execute(operation))
    after = asked.chain.state.system.balance.get()
    assert after == before if refusal else after <= before


@given(calls(SERVICE_FUNCTIONS.values()))
@FUZZ
def test_services_may_call_with_anything(query: bytes) -> None:
    asked = application()
    before = asked.chain.state.content_hash()
    refused(lambda: asked.query(query))
    assert asked.chain.state.content_hash() == before


def refused(call: Callable[[], object]) -> str:
    """What a person would be told, if the call is refused."""
    try:
        call()
    except ExecutionError as error:
        text = str(error)
        assert len(text) < MOST_CHARACTERS
        return text
    return ""
