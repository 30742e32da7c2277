"""Calls between applications and what a contract sees (spec 02 §15, spec 04 §4)."""

import pytest

from catenula.base.identifiers import AccountOwner
from catenula.base.integers import Amount
from catenula.execution.errors import ExecutionError
from catenula.execution.runtime import ContractRuntime, SendMessageRequest
from catenula.protocol import (
    Account,
    ChainOwnership,
    MessageKind,
    OutgoingMessage,
    Transfer,
    UserMessage,
    UserOperation,
)
from catenula.storage import Batch
from catenula.testing.execution_world import ALICE, BOB, CHAIN, EVE, Chain, World, bundle
from tests.execution.scripted import COUNTER, create, install, scripted


def test_a_call_returns_the_response_and_shares_the_transaction(world: World, alice: Chain) -> None:
    counter = install(world, alice, "counter", COUNTER)

    def act(runtime: ContractRuntime, _: bytes) -> bytes:
        runtime.call_application(counter, b"\x01", authenticated=True)
        return runtime.call_application(counter, b"\x02", authenticated=True)

    app = install(world, alice, "caller", scripted(operation=act))
    executed = alice.execute(UserOperation(app, b""))
    assert executed.operation_results == ((3).to_bytes(8, "little"),)


@pytest.mark.parametrize("authenticated", [True, False])
def test_signer_and_caller_are_visible_through_authenticated_calls_only(
    world: World, alice: Chain, authenticated: bool
) -> None:
    seen: list[object] = []

    def look(runtime: ContractRuntime, _: bytes) -> None:
        seen.append((runtime.authenticated_signer(), runtime.authenticated_caller_id()))

    inner = install(world, alice, "inner", scripted(operation=look))
    middle = install(
        world,
        alice,
        "middle",
        scripted(
            operation=lambda runtime, _: runtime.call_application(inner, b"", authenticated=True)
        ),
    )

    def act(runtime: ContractRuntime, _: bytes) -> None:
        look(runtime, b"")
        runtime.call_application(middle, b"", authenticated=authenticated)

    outer = install(world, alice, "outer", scripted(operation=act))
    alice.try_run(alice.propose(UserOperation(outer, b"")))
    assert seen == [(ALICE, None), (ALICE if authenticated else None, middle)]


def test_an_active_application_cannot_be_called_again_at_any_depth(
    world: World, alice: Chain
) -> None:
    first = world.add_module(
        "first",
        scripted(
            operation=lambda runtime, callee: runtime.call_application(
                type(app)(callee), bytes(app), authenticated=True
            )
        ),
    )
    app = create(alice, first)
    second = create(
        alice,
        world.add_module(
            "second",
            scripted(
                operation=lambda runtime, callee: runtime.call_application(
                    type(app)(callee), b"", authenticated=True
                )
            ),
        ),
    )
    for callee in (app, second):
        with pytest.raises(ExecutionError, match="ReentrantCall"):
            alice.try_run(alice.propose(UserOperation(app, bytes(callee))))


def test_instances_are_finalized_last_loaded_first_as_called_by_nobody(
    world: World, alice: Chain
) -> None:
    order: list[tuple[str, AccountOwner | None]] = []

    def finalizer(name: str) -> object:
        return lambda runtime: order.append((name, runtime.authenticated_signer()))

    inner = install(
        world,
        alice,
        "inner",
        scripted(operation=lambda runtime, _: b"", finalize=finalizer("inner")),  # type: ignore[arg-type]  # A function.
    )
    outer = install(
        world,
        alice,
        "outer",
        scripted(
            operation=lambda runtime, _: runtime.call_application(inner, b"", authenticated=False),
            finalize=finalizer("outer"),  # type: ignore[arg-type]  # A function.
        ),
    )
    order.clear()
    alice.try_run(alice.propose(UserOperation(outer, b"")))
    assert order == [("inner", ALICE), ("outer", ALICE)]


def test_finalize_may_write_and_send_but_not_call(world: World, alice: Chain, bob: Chain) -> None:
    counter = install(world, alice, "counter", COUNTER)

    def finish(runtime: ContractRuntime) -> None:
        runtime.write_batch(Batch())
        runtime.send_message(SendMessageRequest(bob.chain_id, b"bye"))

    def call(runtime: ContractRuntime) -> None:
        runtime.call_application(counter, b"\x01", authenticated=False)

    app = install(world, alice, "sender", scripted(operation=lambda r, _: b"", finalize=finish))
    assert len(alice.execute(UserOperation(app, b"")).messages[0]) == 1
    module_id = world.add_module(
        "caller", scripted(operation=lambda runtime, _: b"", finalize=call)
    )
    with pytest.raises(ExecutionError, match="CrossApplicationCallInFinalize"):
        create(alice, module_id)
    alice.state.rollback()


def test_creating_an_application_from_a_contract_instantiates_it_as_called_by_the_creator(
    world: World, alice: Chain
) -> None:
    seen: list[object] = []
    child = world.add_module(
        "child",
        scripted(
            instantiate=lambda runtime, argument: seen.append(
                (argument, runtime.authenticated_caller_id(), runtime.authenticated_signer())
            )
        ),
    )

    def act(runtime: ContractRuntime, _: bytes) -> bytes:
        return runtime.create_application(
            child, parameters=b"p", argument=b"start", required_application_ids=()
        )

    app = install(world, alice, "parent", scripted(operation=act))
    executed = alice.execute(UserOperation(app, b""))
    assert seen[-1] == (b"start", app, ALICE)
    assert bytes(executed.blobs[0][0].id.hash) == bytes(executed.operation_results[0])


def test_a_contract_spends_its_own_account_and_the_signers(world: World, alice: Chain) -> None:
    def act(runtime: ContractRuntime, source: bytes) -> None:
        runtime.transfer(AccountOwner(source), Account(alice.chain_id, EVE), Amount(3))

    app = install(world, alice, "spender", scripted(operation=act))
    for owner in (app.owner(), ALICE, BOB):
        alice.execute(Transfer(CHAIN, Account(alice.chain_id, owner), Amount(10)))
    for owner in (app.owner(), ALICE):
        alice.execute(UserOperation(app, owner))
    assert alice.balance(EVE) == 6
    with pytest.raises(ExecutionError, match="UnauthenticatedTransferOwner"):
        alice.try_run(alice.propose(UserOperation(app, BOB)))


def test_a_message_tells_its_origin_and_whether_it_bounced(
    world: World, alice: Chain, bob: Chain
) -> None:
    seen: list[object] = []
    app = install(
        world,
        alice,
        "listener",
        scripted(
            operation=lambda runtime, _: seen.append(runtime.message_is_bouncing()),
            message=lambda runtime, _: seen.append(
                (runtime.message_origin_chain_id(), runtime.message_is_bouncing())
            ),
        ),
    )
    alice.try_run(alice.propose(UserOperation(app, b"")))
    assert seen == [None]
    for kind in (MessageKind.TRACKED, MessageKind.BOUNCING):
        message = OutgoingMessage(
            alice.chain_id, None, Amount(0), None, kind, UserMessage(app, b"")
        )
        alice.try_run(alice.propose(bundle(bob, message)))
    assert seen[1:] == [(bob.chain_id, False), (bob.chain_id, True)]


def test_every_user_message_carries_the_signer_of_the_frame(
    world: World, alice: Chain, bob: Chain
) -> None:
    inner = install(
        world,
        alice,
        "inner",
        scripted(
            operation=lambda runtime, _: runtime.send_message(SendMessageRequest(bob.chain_id, b""))
        ),
    )

    def act(runtime: ContractRuntime, _: bytes) -> None:
        runtime.send_message(SendMessageRequest(bob.chain_id, b""))
        runtime.call_application(inner, b"", authenticated=False)

    outer = install(world, alice, "outer", scripted(operation=act))
    (messages,) = alice.execute(UserOperation(outer, b"")).messages
    assert [message.authenticated_signer for message in messages] == [ALICE, None]
    assert [message.kind for message in messages] == [MessageKind.SIMPLE] * 2


def test_a_contract_sees_its_surroundings(world: World, alice: Chain) -> None:
    seen: list[object] = []

    def look(runtime: ContractRuntime, _: bytes) -> None:
        seen.extend(
            (
                runtime.chain_id(),
                runtime.block_height(),
                runtime.application_id(),
                runtime.application_creator_chain_id(),
                runtime.application_parameters(),
                runtime.system_timestamp(),
                runtime.chain_balance(),
                runtime.owner_balance(ALICE),
                runtime.owner_balances(),
                runtime.balance_owners(),
                runtime.chain_ownership(),
            )
        )

    alice.execute(Transfer(CHAIN, Account(alice.chain_id, BOB), Amount(10)))
    app = install(world, alice, "looking", scripted(operation=look), parameters=b"{}")
    alice.try_run(alice.propose(UserOperation(app, b"")))
    assert seen == [
        alice.chain_id,
        2,
        app,
        alice.chain_id,
        b"{}",
        alice.timestamp,
        990,
        0,
        ((BOB, 10),),
        (BOB,),
        ChainOwnership.single(ALICE),
    ]


def test_storage_is_read_as_written_in_order_with_prefixes_stripped(
    world: World, alice: Chain
) -> None:
    seen: list[object] = []

    def write(runtime: ContractRuntime, _: bytes) -> None:
        batch = Batch()
        for key in (b"ab", b"aa", b"b", b"a"):
            batch.put(key, key.upper())
        batch.delete(b"b")
        runtime.write_batch(batch)
        seen.append(runtime.find_keys(b"a"))
        seen.append(runtime.find_key_values(b"a"))
        batch = Batch()
        batch.delete_prefix(b"a")
        batch.put(b"ac", b"new")
        runtime.write_batch(batch)
        seen.append(runtime.find_key_values(b""))
        seen.append((runtime.contains_key(b"aa"), runtime.read_value(b"ac")))

    app = install(world, alice, "writer", scripted(operation=write))
    alice.try_run(alice.propose(UserOperation(app, b"")))
    assert seen == [
        (b"", b"a", b"b"),
        ((b"", b"A"), (b"a", b"AA"), (b"b", b"AB")),
        ((b"ac", b"new"),),
        (False, b"new"),
    ]
