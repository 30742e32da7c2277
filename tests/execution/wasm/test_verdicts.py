"""What the reference's own instrumenter and validator said of odd modules (``verdicts.json``).

Recorded by running the crates named in the file. Each case is a module, whether the reference
would run it, and its metered blocks if so.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from catenula.execution.errors import ExecutionError
from catenula.execution.wasm.prepare import metered_blocks, prepare_contract
from tests.execution.wasm.guests import ENGINE

CASES: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("verdicts.json").read_text(encoding="utf-8")
)["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["case"]))
def test_the_reference_agrees(case: dict[str, Any]) -> None:
    code = bytes.fromhex(case["module"])
    try:
        wasmtime.Module.validate(ENGINE, prepare_contract(code))
    except (ExecutionError, wasmtime.WasmtimeError):
        accepted = False
    else:
        accepted = True
    assert accepted == case["accepted"]
    if accepted:
        blocks = "".join(f"{b.body},{b.start},{b.cost};" for b in metered_blocks(code))
        assert blocks == case["blocks"]
