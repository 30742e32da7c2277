"""Random Wasm programs of every control structure, as text; they stop only for lack of fuel."""

from random import Random

FUNCTIONS = 4
_CHOICE = """(global.set $state (i32.add (i32.mul (global.get $state) (i32.const 1103515245))
 (i32.const 12345)))"""


def program(random: Random) -> str:
    """A module that exports ``run : (i32) -> i32`` and calls the host function ``tell``."""
    functions = "".join(_function(random, number) for number in range(FUNCTIONS))
    return f"""(module
      (import "host" "tell" (func $tell))
      (type $plain (func (param i32) (result i32)))
      (memory (export "memory") 1 3)
      (table {FUNCTIONS} funcref)
      (elem (i32.const 0) {" ".join(f"$f{number}" for number in range(FUNCTIONS))})
      (global $state (mut i32) (i32.const {random.getrandbits(31)}))
      {functions}
      (export "run" (func $f0)))"""


def _function(random: Random, number: int) -> str:
    body = _statements(random, depth=0)
    return f"""(func $f{number} (param $x i32) (result i32) (local $y i32)
      {body} (i32.add (local.get $x) (local.get $y)))"""


def _statements(random: Random, depth: int) -> str:
    return " ".join(_statement(random, depth) for _ in range(random.randint(0, 4)))


def _statement(random: Random, depth: int) -> str:
    kinds = [_SIMPLE, _SIMPLE, _BRANCHES] + [_NESTED] * (depth < 5)
    return random.choice(random.choice(kinds))(random, depth)


def _condition(random: Random) -> str:
    return random.choice(
        (
            "(i32.and (i32.shr_u (global.get $state) (i32.const 16)) (i32.const 1))",
            "(i32.and (local.get $y) (i32.const 1))",
            "(i32.eqz (local.get $x))",
        )
    )


def _label(random: Random, depth: int) -> int:
    return random.randint(0, max(depth - 1, 0))


def _assign(random: Random, depth: int) -> str:
    return f"{_CHOICE} (local.set $y (i32.add (local.get $y) {_condition(random)}))"


def _tell(random: Random, depth: int) -> str:
    return "(call $tell)"


def _idle(random: Random, depth: int) -> str:
    return random.choice(("(nop)", "(drop (local.get $x))", "(nop) (nop)"))


def _call(random: Random, depth: int) -> str:
    target = random.randrange(FUNCTIONS)
    if random.random() < 0.5:
        return f"(local.set $y (call $f{target} (i32.add (local.get $y) (i32.const 1))))"
    return f"(local.set $y (call_indirect (type $plain) (local.get $y) (i32.const {target})))"


def _grow(random: Random, depth: int) -> str:
    return "(local.set $y (memory.grow (i32.const 1)))"


def _block(random: Random, depth: int) -> str:
    kind = random.choice(("block", "loop", "block"))
    return f"({kind} {_statements(random, depth + 1)})"


def _counted_loop(random: Random, depth: int) -> str:
    return f"""(loop {_statements(random, depth + 1)} {_CHOICE}
      (br_if 0 {_condition(random)}))"""


def _choice(random: Random, depth: int) -> str:
    then = f"(then {_statements(random, depth + 1)})"
    otherwise = f"(else {_statements(random, depth + 1)})" if random.random() < 0.5 else ""
    return f"(if {_condition(random)} {then} {otherwise})"


def _branch(random: Random, depth: int) -> str:
    if depth == 0:
        return "(nop)"
    label = _label(random, depth)
    return random.choice((f"(br {label})", f"(br_if {label} {_condition(random)})"))


def _table(random: Random, depth: int) -> str:
    if depth == 0:
        return "(nop)"
    labels = " ".join(str(_label(random, depth)) for _ in range(random.randint(1, 4)))
    return f"(br_table {labels} (local.get $y))"


def _return(random: Random, depth: int) -> str:
    leave = random.choice(("return", f"br {depth}"))
    return f"(if {_condition(random)} (then ({leave if leave == 'return' else f'br {depth + 1}'}\
 (local.get $y))))"


def _trap(random: Random, depth: int) -> str:
    return f"(if {_condition(random)} (then {_condition(random)} (drop) (unreachable)))"


_SIMPLE = (_assign, _tell, _idle, _call, _grow, _assign)
_NESTED = (_block, _counted_loop, _choice)
_BRANCHES = (_branch, _table, _branch, _return, _trap)
