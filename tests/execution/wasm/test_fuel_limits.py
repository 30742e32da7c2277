"""Fuel at the limit of a block and at the end of the money: one unit decides (spec 04 §7)."""

import pytest

from catenula.base.integers import U64, Amount
from catenula.execution.errors import ExecutionError
from catenula.protocol import NO_FEES, TESTNET
from catenula.testing.contracts import Application, ContractTest
from tests.execution.wasm.contracts import NO_RESPONSE, NOTHING, contract

BURNING = f"""(local $n i32) (local.set $n (i32.const 50))
  (loop (call $get-chain-id (i32.const 64))
    (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1))))) {NO_RESPONSE}"""
CODE = contract(BURNING, imports=["get-chain-id"], entries={"finalize": "(drop (i32.const 1))"})
FUEL = 2 + 50 * 7 + 1 + 2 + 14
"""Of one operation: a loop with calls of the host, finalizing, and one allocation."""
CHAIN_ID_BYTES = 50 * 32


SPARE = (-1, 0, 1)


def deploy(test: ContractTest) -> Application:
    return test.deploy(CODE, NOTHING, parameters=b"", argument=b"")


def assert_suffices(application: Application, spare: int) -> None:
    """With less than nothing to spare the operation is refused, and nothing is left of it."""
    if spare >= 0:
        assert application.execute(b"x").wasm_fuel == FUEL
        return
    balance = application.chain.state.system.balance.get()
    with pytest.raises(ExecutionError, match="WasmError"):
        application.execute(b"x")
    assert application.chain.state.system.balance.get() == balance


def test_the_fuel_of_an_operation_is_known() -> None:
    assert deploy(ContractTest(TESTNET)).execute(b"x").wasm_fuel == FUEL


@pytest.mark.parametrize("spare", SPARE)
def test_the_fuel_of_a_block_is_limited(spare: int) -> None:
    policy = TESTNET.replace(maximum_wasm_fuel_per_block=U64(FUEL + spare))
    assert_suffices(deploy(ContractTest(policy)), spare)


@pytest.mark.parametrize("spare", SPARE)
def test_operations_of_a_block_share_its_fuel(spare: int) -> None:
    policy = TESTNET.replace(maximum_wasm_fuel_per_block=U64(3 * FUEL + spare))
    application = deploy(ContractTest(policy))
    if spare >= 0:
        assert application.execute(b"x", b"x", b"x").wasm_fuel == 3 * FUEL
        return
    with pytest.raises(ExecutionError, match="WasmError"):
        application.execute(b"x", b"x", b"x")


@pytest.mark.parametrize("spare", SPARE)
@pytest.mark.parametrize(("unit", "byte"), [(1, 0), (10, 1), (10, 100), (7, 3)])
def test_fuel_is_bought_from_the_balance(unit: int, byte: int, spare: int) -> None:
    policy = NO_FEES.replace(wasm_fuel_unit=Amount(unit), byte_runtime=Amount(byte))
    test = ContractTest(policy)
    balance = Amount(FUEL * unit + CHAIN_ID_BYTES * byte + spare)
    poor = deploy(test).on(test.open_chain(balance=balance))
    assert_suffices(poor, spare)
    if spare >= 0:
        assert poor.chain.state.system.balance.get() == spare
