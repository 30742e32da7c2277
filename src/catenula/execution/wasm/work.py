"""How long a module will keep the compiler busy, estimated before it is given to the compiler.

A compiler's time is not proportional to a module's bytes: it does something for every local at
every place where control joins, and its way of giving registers to values grows with the square
and the cube of a function. A module of a few kB can be made to take hours. So the shape of every
function is turned into microseconds, by formulas fitted from above to what modules of the worst
shapes took (decision 0055), and a module beyond `MAX_WASM_COMPILE_WORK` is refused. What is too
hard for the usual compiler only goes to the quick one (`engine`).

Invariant: the estimate is a function of the bytes, the same on every node. Must not read
instructions: `metering` and `service_code` do.
"""

from typing import NamedTuple

from catenula.base.limits import MAX_WASM_COMPILE_WORK, MAX_WASM_USUAL_COMPILE_WORK
from catenula.execution.wasm.binary import module_error

LOOP = 8
CALL_INDIRECT = 8
GROW = 8
"""Joints of instructions that become several blocks of machine code."""

_PER_TYPE = 80
_PER_FUNCTION = 110
_PER_SIGNATURE_VALUE = 4
_PER_JOINT = 4
"""Microseconds: types and functions have code of their own at the border to the host."""


class Shape(NamedTuple):
    """What of a function drives the compiler's time."""

    size: int
    """Bytes of its locals and instructions."""
    values: int
    """Parameters and results."""
    width: int
    """Values that may meet where control joins: parameters, locals and results."""
    joints: int
    """Places where control parts or joins, calls included; some instructions count many times."""
    loops: int
    """Loops, and values that blocks take and give."""


class Work:
    """The work of one module, summed up function by function, so that it is refused early."""

    def __init__(self) -> None:
        self._work = 0
        self._only_usual = 0

    @property
    def is_hard(self) -> bool:
        """Whether the usual compiler is not to be asked."""
        return self._work + self._only_usual > MAX_WASM_USUAL_COMPILE_WORK

    def add_type(self, values: int) -> None:
        """A function type with so many parameters and results."""
        self._add(_PER_TYPE + _PER_SIGNATURE_VALUE * values)
        self._only_usual += values * values // 64

    def add_function(self, shape: Shape) -> None:
        """One function of the module; `ExecutionError` when the module has become too much."""
        size, values, width, joints, loops = shape
        self._add(
            _PER_FUNCTION
            + _PER_SIGNATURE_VALUE * values
            + size
            + _PER_JOINT * joints
            + (joints + 2) * width // 2
            + loops * joints // 64
            + (joints * joints // 512 if loops else 0)
            + loops * width * width // 512
        )
        self._only_usual += (
            size * size // 8192
            + joints * joints * (width + 4) // 512
            + (width * loops) ** 2 // 256
            + values * values // 64
        )

    def _add(self, work: int) -> None:
        self._work += work
        if self._work > MAX_WASM_COMPILE_WORK:
            raise module_error(
                f"compiling it takes more than {MAX_WASM_COMPILE_WORK} units of work (functions"
                " with fewer locals, branches and loops take less)"
            )
