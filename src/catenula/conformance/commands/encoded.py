"""What differs between a recording and our run inside of encoded data: times, and bytes as numbers.

Names in encoded data are `catenula.conformance.commands.names`' business.
"""

import re
from collections.abc import Callable

_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")
_TIME_BYTES = 8
_DAY_MICROSECONDS = 24 * 3_600 * 1_000_000
_BYTE_LIST = re.compile(r"\[\n(?:\s+\d{1,3},\n)+\s+\]")
_SHORTEST_NAME_BYTES = 20


class EncodedTimes:
    """Times near the recorded one, in microseconds, moved to where our run is."""

    def __init__(self, recorded_start: int, our_start: int) -> None:
        self._recorded_start = recorded_start
        self._later = our_start - recorded_start

    def shift(self, operation: str) -> str:
        """An encoded operation, in hex, with its times moved; other texts stay as they are."""
        if _HEX.fullmatch(operation) is None:
            return operation
        content = bytearray.fromhex(operation)
        position = 0
        while position + _TIME_BYTES <= len(content):
            piece = slice(position, position + _TIME_BYTES)
            number = int.from_bytes(content[piece], "little")
            is_time = abs(number - self._recorded_start) < _DAY_MICROSECONDS
            if is_time:
                content[piece] = (number + self._later).to_bytes(_TIME_BYTES, "little")
            position += _TIME_BYTES if is_time else 1
        return content.hex()


def bytes_in_one_line(
    output: str, translate: Callable[[bytes], bytes] = lambda content: content
) -> str:
    """Output in which lists of bytes, one number per line, that may hold names are texts of hex.

    Their digits stand in pairs, so that they are not taken for names as a whole.
    """

    def replace(found: re.Match[str]) -> str:
        numbers = [int(number) for number in re.findall(r"\d+", found.group())]
        if len(numbers) < _SHORTEST_NAME_BYTES or max(numbers) > 255:
            return found.group()
        return f"[{translate(bytes(numbers)).hex(' ')}]"

    return _BYTE_LIST.sub(replace, output)
