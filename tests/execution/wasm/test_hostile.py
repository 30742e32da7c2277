"""Hostile contracts are refused clearly, in time, and leave nothing behind (invariant E2)."""

import pytest

from catenula.base.limits import MAX_GUEST_PASSED_ELEMENTS, MAX_WASM_MEMORY_PAGES
from catenula.execution.errors import ExecutionError
from catenula.protocol import TESTNET
from catenula.testing.contracts import Application, ContractTest
from tests.execution.wasm.contracts import ALLOCATOR, ENTRY, MEMORY, NO_RESPONSE, NOTHING, contract

RECURSIVE = """(func $deeper (param i32) (result i32)
  (i32.add (local.get 0) (call $deeper (i32.add (local.get 0) (i32.const 1)))))"""
RECURSIVE_ALLOCATOR = """(func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
  (if (global.get $top) (then (if (i32.load (i32.const 16)) (then
    (call $application-parameters (i32.const 64))))))
  (i32.const 128))"""
FIXED_ALLOCATOR = """(func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
  (select (i32.const {answer}) (i32.const 128) (i32.load (i32.const 16))))"""


def list_at(address: int, length: int) -> str:
    """Make address 32 a list and return it."""
    return f"""(i32.store (i32.const 32) (i32.const {address}))
      (i32.store (i32.const 36) (i32.const {length})) (return (i32.const 32))"""


HOSTILE: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "an endless loop": ("(loop (br 0))", "", ()),
    "endless recursion": ("(drop (call $deeper (i32.const 0)))", RECURSIVE, ()),
    "a memory bomb": (f"(drop (memory.grow (i32.const {MAX_WASM_MEMORY_PAGES})))", "", ()),
    "unreachable": ("(unreachable)", "", ()),
    "an access out of bounds": ("(drop (i32.load (i32.const -4)))", "", ()),
    "a division by zero": ("(drop (i32.div_u (i32.const 1) (local.get $zero)))", "", ()),
    "a response nowhere": ("(return (i32.const -1))", "", ()),
    "a response that ends nowhere": (list_at(17 * 65536 - 1, 2), "", ()),
    "a response with its length nowhere": ("(return (i32.const 1114108))", "", ()),
    "a huge response": (
        "(drop (memory.grow (i32.const 4000)))" + list_at(0, 4000 * 65536),
        "",
        (),
    ),
    "a return pointer nowhere": ("(call $get-chain-id (i32.const -8))", "", ("get-chain-id",)),
    "a pointer with its top bit set": (
        "(call $log (i32.const -2147483648) (i32.const 0) (i32.const 1))",
        "",
        ("log",),
    ),
    "text that is not": (
        """(i32.store8 (i32.const 64) (i32.const 255))
        (call $log (i32.const 64) (i32.const 1) (i32.const 1))""",
        "",
        ("log",),
    ),
    "an unknown level": ("(call $log (i32.const 64) (i32.const 1) (i32.const 5))", "", ("log",)),
    "a list of too much": (
        f"(call $write-batch (i32.const 0) (i32.const {MAX_GUEST_PASSED_ELEMENTS + 1}))",
        "",
        ("write-batch",),
    ),
    "too much content": (
        """(drop (memory.grow (i32.const 8000))) (loop
        (drop (call $contains-key-new (i32.const 0) (i32.const 200000000))) (br 0))""",
        "",
        ("contains-key-new",),
    ),
    "a promise nobody gave": (
        "(drop (call $contains-key-wait (i32.const 7)))",
        "",
        ("contains-key-wait",),
    ),
    "a promise of another kind": (
        """(drop (call $contains-key-wait (call $find-keys-new (i32.const 0) (i32.const 0))))""",
        "",
        ("contains-key-wait", "find-keys-new"),
    ),
    "more fuel than there is": (
        "(call $consume-fuel (i64.const -1))",
        "",
        ("consume-fuel",),
    ),
    "a call of itself": (
        """(call $get-application-id (i32.const 64))
        (call $try-call-application (i32.const 1) (call $word (i32.const 64))
          (call $word (i32.const 72)) (call $word (i32.const 80)) (call $word (i32.const 88))
          (i32.const 0) (i32.const 0) (i32.const 32))""",
        "(func $word (param i32) (result i64) (i64.load (local.get 0)))",
        ("get-application-id", "try-call-application"),
    ),
}
"""What the contract does when its operation is not empty, further functions, imports."""


def hostile_when_asked(body: str) -> str:
    """An operation that does something only if its argument is not empty."""
    return f"""(local $zero i32) (if (local.get $length) (then
      (i32.store (i32.const 16) (i32.const 1)) {body})) {NO_RESPONSE}"""


def deploy(code: bytes, test: ContractTest | None = None) -> Application:
    test = test or ContractTest(TESTNET)
    return test.deploy(code, NOTHING, parameters=b"", argument=b"")


def assert_harmless(application: Application) -> None:
    """A refused operation leaves the chain as it was, and a good one still works."""
    before = application.execute(b"")
    entries, balance = application.entries(), application.chain.state.system.balance.get()
    with pytest.raises(ExecutionError) as refused:
        application.execute(b"", b"!")
    assert refused.value.code in {"WasmError", "BlockTooLarge", "ArithmeticError"}
    assert len(str(refused.value)) < 1_000
    assert application.entries() == entries
    assert application.chain.state.system.balance.get() == balance
    assert application.execute(b"").wasm_fuel == before.wasm_fuel


@pytest.mark.parametrize("what", HOSTILE)
def test_a_contract_is_refused_that_does(what: str) -> None:
    body, more, imports = HOSTILE[what]
    assert_harmless(deploy(contract(hostile_when_asked(body), more=more, imports=imports)))


@pytest.mark.parametrize("answer", [-1, 0x7FFF_FFFF, 17 * 65536])
def test_an_allocator_may_answer_nonsense(answer: int) -> None:
    frame = (MEMORY, FIXED_ALLOCATOR.format(answer=answer))
    body = hostile_when_asked("(call $application-parameters (i32.const 64))")
    test = ContractTest(TESTNET)
    code = contract(body, imports=["application-parameters"], frame=frame)
    assert_harmless(test.deploy(code, NOTHING, parameters=b"some", argument=b""))


def test_an_allocator_may_not_call_itself_for_ever() -> None:
    body = hostile_when_asked("(call $application-parameters (i32.const 64))")
    frame = (MEMORY, RECURSIVE_ALLOCATOR)
    assert_harmless(deploy(contract(body, imports=["application-parameters"], frame=frame)))


@pytest.mark.parametrize(
    "code",
    [
        b"",
        b"\0asm\x01\0\0\0",
        contract(frame=("(memory 17)", ALLOCATOR)),
        contract(frame=(MEMORY, "")),
        contract(frame=(MEMORY, '(func (export "cabi_realloc"))')),
        contract().replace(b"#instantiate", b"#instantiatf"),
        contract(imports=["log"]).replace(b"base-runtime-api", b"bass-runtime-api"),
        contract(more='(data (i32.const 1114112) "x")'),
        contract(more="(table 1 funcref) (elem (i32.const 1) 0)"),
        contract(more='(func $f (export "start") (drop (i32.const 1))) (start $f)'),
    ],
)
def test_a_module_that_cannot_be_run_is_refused_when_its_application_is_created(
    code: bytes,
) -> None:
    test = ContractTest(TESTNET)
    with pytest.raises(ExecutionError) as refused:
        deploy(code, test)
    assert refused.value.code in {"WasmError", "WasmModule"}
    deploy(contract(), test)


def test_an_entry_that_is_missing_is_missed_when_it_is_called() -> None:
    application = deploy(contract().replace(b"#execute-operation", b"#execute-operatiom"))
    with pytest.raises(ExecutionError, match="execute-operation"):
        application.execute(b"")


def test_an_entry_of_another_signature_is_refused_when_it_is_called() -> None:
    code = contract(more=f'(func (export "{ENTRY}instantiatY"))')
    swapped = code.replace(b"#instantiate", b"#instantiatX").replace(
        b"#instantiatY", b"#instantiate"
    )
    with pytest.raises(ExecutionError, match="signature"):
        deploy(swapped)


def test_a_large_function_is_compiled_in_linear_time() -> None:
    """The usual compiler takes half a minute for this, and four times that for twice as much."""
    branch = "(if (i32.eqz (local.get $length)) (then (local.set $at (i32.const 1))))"
    application = deploy(contract(branch * 40_000 + NO_RESPONSE))
    assert application.execute(b"x").wasm_fuel == 40_000 * 3 + 1 + 14 + 1
