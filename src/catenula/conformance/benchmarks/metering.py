"""What counting fuel costs: loops of a contract, metered ÷ unmetered, on the real engine.

The first is the loop of the probe application's ``Spin``; the others are a sum over an array, where
there is least beside the counting, and a loop of many branches, where most is counted.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from catenula.conformance.benchmarks.figures import Experiment, Figure, Sample, at_most
from catenula.execution.wasm.abi import I64
from catenula.execution.wasm.engine import Engine
from catenula.execution.wasm.library import library
from catenula.execution.wasm.prepare import FUEL_EXPORT, prepare_contract

_ROUNDS = 10_000_000
_FUEL = 1 << 60
_I64_VALUE = 1
_TURNS = 7

_SPIN = """(loop
  (local.set $x (i64.add (local.get $r) (i64.rotl (i64.mul (i64.const 0xbf58476d1ce4e5b9)
    (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 29)))) (local.get $r))))
  (br_if 0 (i64.ne (local.get $n)
    (local.tee $r (i64.add (local.get $r) (i64.const 1))))))"""
_ARRAY_SUM = """(loop
  (local.set $x (i64.add (local.get $x)
    (i64.load (i32.and (i32.wrap_i64 (local.get $r)) (i32.const 0xfff8)))))
  (local.set $r (i64.add (local.get $r) (i64.const 8)))
  (br_if 0 (i64.ne (i64.const 0) (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))"""
_BRANCHES = """(loop
  (if (i64.eqz (i64.and (local.get $n) (i64.const 1)))
    (then (local.set $x (i64.add (local.get $x) (local.get $n))))
    (else (local.set $x (i64.xor (local.get $x) (local.get $n)))))
  (if (i64.eqz (i64.and (local.get $n) (i64.const 3)))
    (then (local.set $x (i64.add (local.get $x) (i64.const 7)))))
  (if (i64.eqz (i64.and (local.get $n) (i64.const 12)))
    (then (local.set $x (i64.mul (local.get $x) (i64.const 7)))))
  (br_if 0 (i64.ne (i64.const 0) (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))"""
_LOOPS = {
    "metering_overhead": _SPIN,
    "metering_overhead_array_sum": _ARRAY_SUM,
    "metering_overhead_branches": _BRANCHES,
}


def _overheads(_: Path, runs: int) -> Iterator[Sample]:
    """Metered ÷ unmetered of each loop, measured in turns."""
    engine = Engine(
        {},
        is_contract=True,
        answering=lambda _function: lambda *_: 0,
        unanswered=lambda *_: 0,
        is_time_up=lambda: False,
    )
    pairs = {
        name: (_runner(engine, body, is_charged=True), _runner(engine, body, is_charged=False))
        for name, body in _LOOPS.items()
    }
    for _run in range(runs):
        yield {name: _ratio(metered, plain) for name, (metered, plain) in pairs.items()}


def _ratio(metered: Callable[[], float], plain: Callable[[], float]) -> float:
    """The fastest of several turns on each side: other work only ever adds."""
    turns = [(metered(), plain()) for _ in range(_TURNS)]
    return min(turn[0] for turn in turns) / min(turn[1] for turn in turns)


def _runner(engine: Engine, body: str, *, is_charged: bool) -> Callable[[], float]:
    """A function that runs the loop once and says how many seconds it took."""
    from wasmtime import wat2wasm

    code = wat2wasm(f"""(module (memory (export "memory") 1)
      (func (export "run") (param $n i64) (result i64) (local $r i64) (local $x i64)
        {body} (local.get $x)))""")
    instance = engine.compile(prepare_contract(bytes(code), is_charged=is_charged)).instantiate()
    function = instance.function("run", ((I64,), (I64,)))
    fuel = instance.global_variable(FUEL_EXPORT)
    ffi, functions = library()
    slots = ffi.new("uint64_t[2]")
    value: Any = ffi.new("wasmtime_val_t *")
    value.kind = _I64_VALUE

    def run() -> float:
        value.of.i64 = _FUEL
        functions.wasmtime_global_set(instance.context, fuel, value)
        slots[0] = _ROUNDS
        started = time.perf_counter()
        instance.call(function, slots, 1)
        return time.perf_counter() - started

    return run


OVERHEAD = Experiment(
    (
        Figure("metering_overhead", "×", at_most(1.1)),
        Figure("metering_overhead_array_sum", "×"),
        Figure("metering_overhead_branches", "×"),
    ),
    _overheads,
)
"""How much longer code takes because its fuel is counted."""
