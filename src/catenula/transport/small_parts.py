"""Messages that arrive in many small parts, as only somebody means it who wants to cost memory.

A part that is an object of its own costs forty bytes beside what it holds.
"""

MIN_PART_BYTES = 1 << 10
"""Smaller parts are put together as they arrive."""


def add_small_part(parts: list[bytes | bytearray], data: bytes) -> None:
    """Add a part that is smaller than `MIN_PART_BYTES` and not the first one."""
    last = parts[-1]
    if isinstance(last, bytearray):
        last += data
    else:
        parts.append(bytearray(data))
