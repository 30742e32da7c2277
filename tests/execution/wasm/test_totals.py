"""However charges are written, the host sees the same totals as with the plainest way to do it."""

from random import Random

import pytest
import wasmtime
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catenula.execution.wasm import assembly
from catenula.execution.wasm.binary import Reader, encode_signed
from catenula.execution.wasm.fuel import CHARGED, FuelCode, Mark
from catenula.execution.wasm.metering import Body
from tests.execution.wasm.guests import Guest, wat
from tests.execution.wasm.programs import program

Outcome = tuple[str, object, int, int, list[tuple[str, int]]]


class PlainFuelCode(FuelCode):
    """Every charge goes to the global and is looked at, as spec 04 §7 words it."""

    def marks(self, reader: Reader, body: Body) -> tuple[list[Mark], bytes]:
        """One sequence per charge."""
        look = self._get + b"\x42\x00\x53\x04\x40\x00\x0b"
        marks = [
            Mark(
                at,
                CHARGED,
                self._get + b"\x42" + encode_signed(cost) + b"\x7d" + self._set + look,
                at,
            )
            for at, cost in body.charges
        ]
        return marks, reader.data[reader.position : body.first]


def _run(code: bytes, fuel: int) -> Outcome:
    """How a program ends; whether it failed for lack of fuel is not told after a trap (0036)."""
    guest = Guest(code)
    guest.fuel = fuel
    try:
        answer = guest.call("run", 0)
    except wasmtime.Trap:
        return "failed", None, 0, guest.stop, guest.calls
    if guest.fuel < 0:
        return "failed", None, 0, guest.stop, guest.calls
    return "returned", answer, guest.fuel, guest.stop, guest.calls


def test_what_a_trap_hides() -> None:
    """A function that keeps its fuel in a local traps before anybody has looked at it."""
    code = wat("""(module (func (export "run") (param i32) (result i32)
        (if (i32.const 1) (then (nop) (unreachable))) (loop (nop)) (i32.const 0)))""")
    assert _run(code, 0) == _run(code, 1000) == ("failed", None, 0, 0, [])


@given(random=st.randoms(use_true_random=False), fuel=st.integers(0, 3000))
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_totals_do_not_depend_on_how_charges_are_written(random: Random, fuel: int) -> None:
    """Invariant A2."""
    code = wat(program(random))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembly, "FuelCode", PlainFuelCode)
        expected = _run(code, fuel)
    assert _run(code, fuel) == expected
