"""What executing blocks takes and costs, for a validator's metrics (spec 06 §9).

Execution itself reads no clock: `ExecutionMeter` is given one by whoever wants the times, and a
node without a meter measures nothing. A measured value never influences an outcome.
"""

from collections.abc import Callable

from catenula.base.counting import Counter, Histogram, Told, spread
from catenula.execution.resources import ResourceTracker

HANDLE_PROPOSAL = "handle_proposal"
HANDLE_CONFIRMED = "handle_confirmed"

_FUEL = spread(10, 100_000_000)
_BYTES = spread(1, 10_000_000)


class ExecutionMeter:
    """Histograms by phase: executing for a vote, or a certified block.

    ``now_us`` gives microseconds from any starting point.
    """

    def __init__(self, now_us: Callable[[], float]) -> None:
        self.now_us = now_us
        self._blocks = Counter("phase")
        self._block_us = Histogram(spread(50, 10_000_000), "phase")
        self._operation_us = Histogram(spread(1, 1_000_000), "phase")
        self._message_us = Histogram(spread(1, 1_000_000), "phase")
        self._hash_us = Histogram(spread(1, 1_000_000), "phase")
        self._wasm_fuel = Histogram(_FUEL, "phase")
        self._evm_fuel = Histogram(_FUEL, "phase")
        self._reads = Histogram(spread(1, 1_000), "phase")
        self._bytes_read = Histogram(_BYTES, "phase")
        self._bytes_written = Histogram(_BYTES, "phase")

    def transaction(self, phase: str, started_us: float, *, is_operation: bool) -> None:
        """An operation, or the messages of a bundle, were executed."""
        histogram = self._operation_us if is_operation else self._message_us
        histogram.observe(self.now_us() - started_us, phase)

    def hashed(self, phase: str, started_us: float) -> None:
        """The state hash was computed."""
        self._hash_us.observe(self.now_us() - started_us, phase)

    def block(self, phase: str, started_us: float, used: ResourceTracker) -> None:
        """A block was executed to its end."""
        self._blocks.add(phase)
        self._block_us.observe(self.now_us() - started_us, phase)
        self._wasm_fuel.observe(used.wasm_fuel, phase)
        self._evm_fuel.observe(used.evm_fuel, phase)
        self._reads.observe(used.read_operations, phase)
        self._bytes_read.observe(used.bytes_read, phase)
        self._bytes_written.observe(used.bytes_written, phase)

    def told(self) -> Told:
        """Everything measured, under the names of spec 06 §9."""
        return {
            "num_blocks_executed": self._blocks.told(),
            "block_execution_latency": self._block_us.told(),
            "operation_execution_latency": self._operation_us.told(),
            "message_execution_latency": self._message_us.told(),
            "state_hash_computation_latency": self._hash_us.told(),
            "wasm_fuel_used_per_block": self._wasm_fuel.told(),
            "evm_fuel_used_per_block": self._evm_fuel.told(),
            "vm_num_reads_per_block": self._reads.told(),
            "vm_bytes_read_per_block": self._bytes_read.told(),
            "vm_bytes_written_per_block": self._bytes_written.told(),
        }
