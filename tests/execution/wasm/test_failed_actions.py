"""What a contract did before it failed is undone: a rejected message leaves nothing but fees."""

import pytest

from catenula.base.integers import U64, Amount
from catenula.execution.errors import ExecutionError
from catenula.execution.staging import StagedBlock
from catenula.protocol import (
    TESTNET,
    IncomingBundle,
    MessageAction,
    MessageKind,
    OutgoingMessage,
    ReceiveMessages,
    UserMessage,
    UserOperation,
)
from catenula.testing.contracts import Application, ContractTest
from catenula.testing.execution_world import Chain, bundle
from tests.execution.wasm.contracts import NO_RESPONSE, NOTHING, contract

PUT = """(i32.store8 (i32.const 128) (i32.const 2))
  (i32.store (i32.const 132) (i32.const 120)) (i32.store (i32.const 136) (i32.const 1))
  (i32.store (i32.const 140) (local.get $at)) (i32.store (i32.const 144) (local.get $length))
  (i32.store8 (i32.const 120) (i32.const 107))
  (call $write-batch (i32.const 128) (i32.const 1))
  (drop (call $emit (i32.const 120) (i32.const 1) (local.get $at) (local.get $length)))
  (call $create-data-blob (local.get $at) (local.get $length) (i32.const 512))"""
"""Store the argument under the key ``k``, emit it and make it a blob."""
KEY = b"k"
FAILING = """(if (i32.eq (i32.load8_u (local.get $at)) (i32.const 116)) (then (unreachable)))
  (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 108)) (then (loop (br 0))))"""
"""Trap when the argument begins with ``t``, loop when it begins with ``l``."""
BODY = PUT + FAILING
TRAP, LOOP, GOOD = b"trap", b"loop", b"good"


@pytest.fixture
def application() -> Application:
    test = ContractTest(TESTNET.replace(maximum_wasm_fuel_per_block=U64(1_000_000)))
    code = contract(
        BODY + NO_RESPONSE,
        entries={"message": BODY},
        imports=["write-batch", "emit", "create-data-blob"],
    )
    return test.deploy(code, NOTHING, parameters=b"", argument=b"")


def message(application: Application, origin: Chain, content: bytes, index: int) -> IncomingBundle:
    user_message = UserMessage(application.application_id, content)
    outgoing = OutgoingMessage(
        origin.chain_id, None, Amount(0), None, MessageKind.TRACKED, user_message
    )
    return bundle(origin, outgoing, index=index)


def actions(staged: StagedBlock) -> list[MessageAction]:
    return [
        transaction.bundle.action
        for transaction in staged.block.transactions
        if isinstance(transaction, ReceiveMessages)
    ]


def test_what_a_good_message_does_is_kept(application: Application) -> None:
    origin = application.test.open_chain()
    staged = application.chain.stage(message(application, origin, GOOD, 0))
    assert actions(staged) == [MessageAction.ACCEPT]
    executed = application.chain.run(staged.block)
    assert application.entries() == {KEY: GOOD}
    assert [len(executed.events[0]), len(executed.blobs[0])] == [1, 1]


@pytest.mark.parametrize("bad", [TRAP, LOOP])
def test_a_message_that_fails_is_rejected_and_only_that(
    application: Application, bad: bytes
) -> None:
    """Invariant E2: also when it fails for lack of the block's fuel (spec 04 §2.5)."""
    origin = application.test.open_chain()
    bundles = [
        message(application, origin, content, index) for index, content in enumerate((GOOD, bad))
    ]
    staged = application.chain.stage(*bundles)
    assert actions(staged) == [MessageAction.ACCEPT, MessageAction.REJECT]
    ((_, reason),) = staged.rejected
    assert reason.code == "WasmError"
    executed = application.chain.run(staged.block)
    assert application.entries() == {KEY: GOOD}
    assert [len(each) for each in executed.events] == [1, 0]
    assert [len(each) for each in executed.blobs] == [1, 0]
    assert executed.messages[1][0].kind is MessageKind.BOUNCING


def test_a_rejected_message_burns_no_fuel(application: Application) -> None:
    origin = application.test.open_chain()
    staged = application.chain.stage(message(application, origin, TRAP, 0))
    assert application.chain.run(staged.block).resources.wasm_fuel == 0


@pytest.mark.parametrize("bad", [TRAP, LOOP])
def test_an_operation_that_fails_leaves_the_chain_as_it_was(
    application: Application, bad: bytes
) -> None:
    application.execute(GOOD)
    before = application.chain.state.content_hash()
    for operations in ((bad,), (b"other", bad)):
        with pytest.raises(ExecutionError, match="WasmError"):
            application.execute(*operations)
        assert application.chain.state.content_hash() == before
        assert application.entries() == {KEY: GOOD}


def test_the_same_operation_burns_the_same_after_a_failure(application: Application) -> None:
    first = application.execute(GOOD).wasm_fuel
    with pytest.raises(ExecutionError):
        application.execute(LOOP)
    operation = UserOperation(application.application_id, GOOD)
    assert application.test.run(application.chain, operation).wasm_fuel == first
