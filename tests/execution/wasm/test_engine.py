"""The engine: its library, the probe application, compiled modules, interruption."""

import ctypes
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from catenula.execution.errors import ExecutionError
from catenula.execution.wasm import compiled_declarations
from catenula.execution.wasm.library import library
from catenula.execution.wasm.loader import WasmApplications
from catenula.testing.contracts import Application, ContractTest

TOOLS = Path(__file__).resolve().parents[3] / "tools"
_COMPILE = """
import runpy, sys, pathlib
runpy.run_path(sys.argv[1])["compile_declarations"](pathlib.Path(sys.argv[2]))
"""
EMPTY_ARGUMENT = {"note": "", "steps": []}


@pytest.fixture
def probe(shared_vectors: Path) -> Path:
    return shared_vectors.parent / "apps" / "probe"


def deploy(probe: Path, loader: WasmApplications | None = None) -> Application:
    return ContractTest(applications=loader).deploy(
        probe / "probe_contract.wasm",
        probe / "probe_service.wasm",
        parameters={"label": "a", "seed": 1},
        argument=EMPTY_ARGUMENT,
    )


@pytest.mark.parametrize("name", ["extern", "val", "func", "memory", "global", "instance"])
def test_structures_are_as_large_as_the_official_binding_says(name: str) -> None:
    from wasmtime import _bindings

    official = ctypes.sizeof(getattr(_bindings, f"wasmtime_{name}"))
    assert library().ffi.sizeof(f"wasmtime_{name}_t") == official


def test_declarations_are_compiled_as_they_stand(tmp_path: Path) -> None:
    made = tmp_path / "declarations.py"
    subprocess.run(
        [sys.executable, "-c", _COMPILE, str(TOOLS / "compile_declarations.py"), str(made)],
        check=True,
        capture_output=True,
    )
    assert made.read_text() == Path(str(compiled_declarations.__file__)).read_text()


@pytest.mark.parametrize(
    ("operation", "fuel"),
    [
        ("00", 95_443),
        ("010e000000000000000000", 100_303),
        ("010e00e803000000000000", 129_303),
        ("010e0464000000", 103_625),
        ("010a00027f61", 100_068),
    ],
)
def test_the_probe_burns_the_recorded_fuel(probe: Path, operation: str, fuel: int) -> None:
    application = deploy(probe)
    fresh = application.on(application.test.open_chain())
    assert fresh.execute(bytes.fromhex(operation)).wasm_fuel == fuel


def test_a_query_is_answered_by_the_service(probe: Path) -> None:
    application = deploy(probe)
    answer = application.query({"Fact": "ChainId"})
    assert application.chain.chain_id.hex() in answer.response.decode()
    assert not answer.operations


def test_compiled_code_is_kept_on_disk_and_compiled_again_when_damaged(
    probe: Path, tmp_path: Path
) -> None:
    operation = bytes.fromhex("010e0464000000")
    fresh = deploy(probe, WasmApplications(tmp_path)).execute(operation)
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 1, "the service has not been asked"
    assert deploy(probe, WasmApplications(tmp_path)).execute(operation) == fresh
    content = bytearray(kept[0].read_bytes())
    content[len(content) // 2] ^= 1
    kept[0].write_bytes(content)
    assert deploy(probe, WasmApplications(tmp_path)).execute(operation) == fresh
    assert kept[0].read_bytes() != content


def test_another_thread_computes_the_same(probe: Path) -> None:
    operation = bytes.fromhex("010e00e803000000000000")
    here = deploy(probe).execute(operation)
    there: list[object] = []
    thread = threading.Thread(target=lambda: there.append(deploy(probe).execute(operation)))
    thread.start()
    thread.join()
    assert there == [here]


def test_a_panic_says_what_the_guest_logged(probe: Path) -> None:
    application = deploy(probe)
    panic = bytes.fromhex("010f0400") + bytes((4,)) + b"oops"
    with pytest.raises(ExecutionError, match="oops"):
        application.execute(panic)
