"""Fuel is charged as spec 04 §7 says: same blocks, same totals, and it stops at the limit."""

import pytest
import wasmtime

from catenula.execution.wasm.prepare import metered_blocks
from tests.execution.wasm.guests import Guest, wat

LOOP = """(module (func (export "run") (param $n i32) (result i32) (local $sum i32)
  (block $out (loop $again
    (br_if $out (i32.eqz (local.get $n)))
    (local.set $sum (i32.add (local.get $sum) (local.get $n)))
    (local.set $n (i32.sub (local.get $n) (i32.const 1)))
    (br $again)))
  (local.get $sum)))"""


@pytest.mark.parametrize(
    ("body", "blocks"),
    [
        ("(nop)", []),
        ("(drop (i32.const 1))", [(0, 1)]),
        ("(block (nop) (drop (i32.const 1))) (drop (i32.const 2))", [(0, 2)]),
        ("(block (br 0)) (drop (i32.const 2))", [(0, 2)]),
        ("(loop (br_if 0 (i32.const 0))) (drop (i32.const 2))", [(0, 1), (1, 2)]),
        (
            "(if (i32.const 1) (then (drop (i32.const 2))) (else (drop (i32.const 3))))",
            [(0, 2), (2, 1), (5, 1)],
        ),
        ("(if (i32.const 1) (then (return))) (drop (i32.const 2))", [(0, 2), (2, 1), (4, 1)]),
        ("(block (block (br_table 0 1 (i32.const 0))) (drop (i32.const 1)))", [(0, 2), (5, 1)]),
        ("(unreachable) (drop (i32.const 1))", [(0, 1)]),
    ],
)
def test_blocks_are_merged_and_split_as_the_spec_says(
    body: str, blocks: list[tuple[int, int]]
) -> None:
    found = metered_blocks(wat(f"(module (func {body}))"))
    assert [(block.start, block.cost) for block in found] == blocks


@pytest.mark.parametrize("rounds", [0, 1, 7])
def test_a_loop_costs_its_instructions_per_round(rounds: int) -> None:
    guest = Guest(wat(LOOP))
    assert guest.spent("run", rounds) == 3 + rounds * (3 + 9) + 1


def test_exactly_the_fuel_that_is_needed_suffices() -> None:
    guest = Guest(wat(LOOP))
    needed = guest.spent("run", 5)
    for left in (0, 1):
        guest.fuel = needed + left
        assert guest.call("run", 5) == 15
        assert guest.fuel == left
    guest.fuel = needed - 1
    with pytest.raises(wasmtime.Trap):
        guest.call("run", 5)
    assert guest.fuel < 0


def test_the_host_sees_what_is_left_at_every_call() -> None:
    guest = Guest(
        wat("""(module (import "host" "tell" (func $tell)) (func (export "run")
          (call $tell) (drop (i32.const 1)) (if (i32.const 1) (then (call $tell)))))""")
    )
    guest.fuel = 10
    guest.call("run")
    assert guest.calls == [("tell", 6), ("tell", 5)]
