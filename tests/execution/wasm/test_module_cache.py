"""Compiled modules on disk: shared, bounded, and trusted only where nobody else can write."""

import threading
from pathlib import Path

import pytest

from catenula.base.limits import LARGE_WASM_FUNCTION_BYTES
from catenula.execution.wasm import engine, module_cache
from catenula.execution.wasm.engine import Engine
from catenula.execution.wasm.loader import WasmApplications
from catenula.testing.contracts import ContractTest, Report
from tests.execution.wasm.contracts import NO_RESPONSE, NOTHING, contract

SMALL = contract(NO_RESPONSE)
# Straight blocks: as many as make the usual compiler slow.
LARGE = contract(
    "(if (i32.load (local.get $at)) (then (i32.store (i32.const 64) (i32.const 1))))"
    * (LARGE_WASM_FUNCTION_BYTES // 12)
    + NO_RESPONSE
)


def run(loader: WasmApplications, code: bytes = SMALL) -> Report:
    return ContractTest(applications=loader).deploy(code, NOTHING).execute(b"\1\0\0\0")


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What has been compiled since."""
    codes: list[bytes] = []
    compile_module = Engine.compile

    def counted(self: Engine, code: bytes) -> object:
        codes.append(code)
        return compile_module(self, code)

    monkeypatch.setattr(Engine, "compile", counted)
    return codes


@pytest.mark.parametrize("code", [SMALL, LARGE], ids=["small", "large function"])
def test_a_later_process_takes_what_is_kept(
    code: bytes, tmp_path: Path, compiled: list[bytes]
) -> None:
    first = run(WasmApplications(tmp_path), code)
    assert len(compiled) == 1
    assert run(WasmApplications(tmp_path), code) == first
    assert len(compiled) == 1


def test_both_ways_to_compile_give_code_that_does_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for_large = run(WasmApplications(), LARGE)
    monkeypatch.setattr(engine, "has_large_function", lambda code: False)
    assert run(WasmApplications(), LARGE) == for_large


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
