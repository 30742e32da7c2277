"""Compiled modules on disk: shared, bounded, and trusted only where nobody else can write."""

import threading
from pathlib import Path

import pytest

from catenula.base.identifiers import CryptoHash
from catenula.execution.errors import BlobsNotFound, ExecutionError
from catenula.execution.wasm import engine, module_cache, work
from catenula.execution.wasm.binary import module_error
from catenula.execution.wasm.engine import CompiledModule, Engine
from catenula.execution.wasm.loader import WasmApplications
from catenula.execution.wasm.module_cache import ModuleCache
from catenula.execution.wasm.prepare import Prepared, prepare
from catenula.testing.contracts import ContractTest, Report
from tests.execution.wasm.contracts import NO_RESPONSE, NOTHING, contract

SMALL = contract(NO_RESPONSE)
# As many joints as are too hard for the usual compiler.
HARD = contract(
    "(if (i32.load (local.get $at)) (then (i32.store (i32.const 64) (i32.const 1))))" * 20_000
    + NO_RESPONSE
)


def run(loader: WasmApplications, code: bytes = SMALL) -> Report:
    return ContractTest(applications=loader).deploy(code, NOTHING).execute(b"\1\0\0\0")


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What has been compiled since."""
    codes: list[bytes] = []
    compile_module = Engine.compile

    def counted(self: Engine, code: bytes, *, is_hard: bool) -> object:
        codes.append(code)
        return compile_module(self, code, is_hard=is_hard)

    monkeypatch.setattr(Engine, "compile", counted)
    return codes


@pytest.mark.parametrize("code", [SMALL, HARD], ids=["small", "hard"])
def test_a_later_process_takes_what_is_kept(
    code: bytes, tmp_path: Path, compiled: list[bytes]
) -> None:
    first = run(WasmApplications(tmp_path), code)
    assert len(compiled) == 1
    assert run(WasmApplications(tmp_path), code) == first
    assert len(compiled) == 1


def test_a_contract_that_is_hard_is_recognised() -> None:
    assert [prepare(code, is_service=False).is_hard for code in (SMALL, HARD)] == [False, True]


def test_both_ways_to_compile_give_code_that_does_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quickly: list[bytes] = []
    compile_quickly = engine._compile_quickly

    def counted(code: bytes) -> bytes:
        quickly.append(code)
        return compile_quickly(code)

    monkeypatch.setattr(engine, "_compile_quickly", counted)
    usual = run(WasmApplications())
    assert not quickly
    monkeypatch.setattr(work, "MAX_WASM_USUAL_COMPILE_WORK", 0)
    assert run(WasmApplications()) == usual
    assert len(quickly) == 1


@pytest.mark.parametrize("mode", [0o770, 0o707], ids=["group", "all"])
def test_a_folder_that_others_may_write_to_is_not_used(
    mode: int, tmp_path: Path, compiled: list[bytes]
) -> None:
    run(WasmApplications(tmp_path))
    tmp_path.chmod(mode)
    run(WasmApplications(tmp_path))
    assert len(compiled) == 2
    run(WasmApplications(tmp_path), contract(NO_RESPONSE, more="(global i32 (i32.const 9))"))
    assert len(list(tmp_path.iterdir())) == 1, "nothing is added either"


@pytest.mark.parametrize("length", [0, 10, 32, 33, 1000])
def test_a_file_that_was_cut_is_compiled_again(
    length: int, tmp_path: Path, compiled: list[bytes]
) -> None:
    first = run(WasmApplications(tmp_path))
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:length])
    assert run(WasmApplications(tmp_path)) == first
    assert len(compiled) == 2


def test_a_folder_that_cannot_be_made_costs_nothing_but_time(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    assert run(WasmApplications(blocked / "modules")) == run(WasmApplications())


def test_threads_share_a_folder(tmp_path: Path) -> None:
    reports: list[Report] = []
    threads = [
        threading.Thread(target=lambda: reports.append(run(WasmApplications(tmp_path))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reports == [run(WasmApplications())] * 4
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_too_much_goes_and_so_does_what_killed_processes_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / f"{module_cache._UNFINISHED}abc{module_cache._SUFFIX}"
    left.write_bytes(bytes(1000))
    run(WasmApplications(tmp_path))
    newest = max(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    monkeypatch.setattr(module_cache, "MAX_MODULE_CACHE_BYTES", newest.stat().st_size + 500)
    run(WasmApplications(tmp_path), contract(NO_RESPONSE, more="(global i32 (i32.const 9))"))
    (kept,) = tmp_path.iterdir()
    assert kept not in (left, newest)


HASH = CryptoHash(bytes(32))


class Refusing:
    """An engine that refuses everything, and counts how often it was asked."""

    is_contract = True

    def __init__(self, refusal: ExecutionError) -> None:
        self.asked = 0
        self._refusal = refusal

    def compile(self, code: bytes, *, is_hard: bool) -> CompiledModule:
        self.asked += 1
        raise self._refusal


def ask(cache: ModuleCache, error: ExecutionError | None = None) -> ExecutionError:
    def code() -> Prepared:
        if error is not None:
            raise error
        return Prepared(b"", False)

    with pytest.raises(ExecutionError) as caught:
        cache.get(HASH, code)
    return caught.value


def test_a_module_that_is_refused_is_looked_at_once() -> None:
    refusing = Refusing(module_error("no good", offset=3))
    cache = ModuleCache(refusing, None)  # type: ignore[arg-type]  # As far as the cache goes.
    first, second = ask(cache), ask(cache)
    assert refusing.asked == 1
    assert first is not second, "each says where it happened"
    assert first.message() == second.message()
    assert HASH in cache, "so nobody moves to a thread to be refused"


@pytest.mark.parametrize(
    "passing", [BlobsNotFound([]), ExecutionError("WasmError", reason="no memory to compile")]
)
def test_what_may_pass_is_not_remembered(passing: ExecutionError) -> None:
    refusing = Refusing(passing)
    cache = ModuleCache(refusing, None)  # type: ignore[arg-type]  # As far as the cache goes.
    assert ask(cache, passing) is passing
    assert ask(cache) is passing
    assert ask(cache) is passing
    assert refusing.asked == 2
    assert HASH not in cache


def test_refusals_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_cache, "MAX_REFUSED_MODULES", 2)
    refusing = Refusing(module_error("no good"))
    cache = ModuleCache(refusing, None)  # type: ignore[arg-type]  # As far as the cache goes.
    hashes = [CryptoHash(bytes((number,)) * 32) for number in range(3)]
    for blob_hash in hashes:
        with pytest.raises(ExecutionError):
            cache.get(blob_hash, lambda: Prepared(b"", False))
    assert [blob_hash in cache for blob_hash in hashes] == [False, True, True]


def test_all_functions_are_validated_before_the_first_is_compiled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled: list[object] = []
    monkeypatch.setattr(Engine, "_module", lambda *arguments: compiled.append(arguments))
    with pytest.raises(ExecutionError, match="type mismatch"):
        run(WasmApplications(), contract(NO_RESPONSE, more="(func (result i32))"))
    assert not compiled
