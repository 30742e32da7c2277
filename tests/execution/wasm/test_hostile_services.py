"""Hostile services: a query ends with a clear refusal, in time, and nothing is changed by it."""

import pytest

from catenula.base.limits import MAX_GUEST_PASSED_ELEMENTS, MAX_WASM_MEMORY_PAGES
from catenula.execution.errors import ExecutionError
from catenula.protocol import TESTNET
from catenula.testing.contracts import Application, ContractTest
from tests.execution.wasm.contracts import ALLOCATOR, MEMORY, NO_RESPONSE, contract, service
from tests.execution.wasm.test_hostile import RECURSIVE, hostile_when_asked, list_at

HOSTILE: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "endless recursion": ("(drop (call $deeper (i32.const 0)))", RECURSIVE, ()),
    "unreachable": ("(unreachable)", "", ()),
    "an access out of bounds": ("(drop (i32.load (i32.const -4)))", "", ()),
    "what contracts do when there is no memory": (
        "(unreachable)",
        '(global (export "catenula:stop") (mut i32) (i32.const 2))',
        (),
    ),
    "a response nowhere": ("(return (i32.const -1))", "", ()),
    "a response that ends nowhere": (list_at(17 * 65536 - 1, 2), "", ()),
    "a return pointer nowhere": ("(call $get-chain-id (i32.const -8))", "", ("get-chain-id",)),
    "an unknown level": ("(call $log (i32.const 64) (i32.const 1) (i32.const 5))", "", ("log",)),
    "a list of too much": (
        f"""(drop (memory.grow (i32.const 300)))
        (drop (call $contains-keys-new (i32.const 0)
          (i32.const {MAX_GUEST_PASSED_ELEMENTS + 1})))""",
        "",
        ("contains-keys-new",),
    ),
    "too many operations": (
        """(drop (memory.grow (i32.const 8000))) (loop
        (call $schedule-operation (i32.const 0) (i32.const 100000000)) (br 0))""",
        "",
        ("schedule-operation",),
    ),
    "a query of itself": (
        """(call $get-application-id (i32.const 64))
        (call $try-query-application (i64.load (i32.const 64)) (i64.load (i32.const 72))
          (i64.load (i32.const 80)) (i64.load (i32.const 88))
          (i32.const 0) (i32.const 0) (i32.const 32))""",
        "",
        ("get-application-id", "try-query-application"),
    ),
    "reads that it never waits for": (
        "(loop (drop (call $contains-key-new (i32.const 0) (i32.const 1))) (br 0))",
        "",
        ("contains-key-new",),
    ),
}
"""What the service does when its query is not empty, further functions, imports."""


def deploy(code: bytes) -> Application:
    return ContractTest(TESTNET).deploy(contract(), code, parameters=b"", argument=b"")


@pytest.mark.parametrize("what", HOSTILE)
def test_a_service_is_refused_that_does(what: str) -> None:
    body, more, imports = HOSTILE[what]
    application = deploy(service(hostile_when_asked(body), more=more, imports=imports))
    before = application.chain.state.content_hash()
    with pytest.raises(ExecutionError) as refused:
        application.query(b"!")
    assert len(str(refused.value)) < 1_000
    assert application.chain.state.content_hash() == before
    assert application.query(b"").response == b""


def test_an_endless_service_is_stopped_when_its_time_is_up() -> None:
    application = deploy(service(hostile_when_asked("(loop (br 0))")))
    application.test.world.oracles.is_time_up = True
    with pytest.raises(ExecutionError, match="MaximumServiceOracleExecutionTimeExceeded"):
        application.query(b"!")


@pytest.mark.parametrize(
    "code",
    [
        b"",
        service(frame=("(memory 17)", ALLOCATOR)),
        service(frame=(MEMORY, "")),
        service(frame=(f'(memory (export "memory") {MAX_WASM_MEMORY_PAGES + 1})', ALLOCATOR)),
        service(more="(func $start (loop (br 0))) (start $start)"),
        service(more='(data (i32.const 1114112) "x")'),
        service().replace(b"#handle-query", b"#handle-querz"),
        contract(NO_RESPONSE, imports=["emit"]),
    ],
)
def test_a_service_that_cannot_be_run_is_noticed_when_it_is_asked(code: bytes) -> None:
    application = deploy(code)
    application.execute(b"")
    with pytest.raises(ExecutionError):
        application.query(b"")


def test_a_service_is_told_that_there_is_no_more_memory() -> None:
    grow = f"(memory.grow (i32.const {MAX_WASM_MEMORY_PAGES - 16}))"
    body = f"(if (i32.ne {grow} (i32.const -1)) (then (unreachable)))"
    assert deploy(service(hostile_when_asked(body))).query(b"!").response == b""
