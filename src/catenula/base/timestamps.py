"""The text form of timestamps (spec 01 §5). Printing does not round-trip through parsing."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from catenula.base.errors import DecodeError
from catenula.base.integers import MICROSECONDS_PER_SECOND, U64_MAX, Timestamp

_LAST_PRINTABLE_MICROSECONDS = 8_210_266_876_799_999_999
_SECONDS_PER_DAY = 86_400
_DAYS_PER_400_YEARS = 146_097
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PATTERN = re.compile(
    r"\s*([+-]?\d+)\s*-\s*(\d{1,2})\s*-\s*(\d{1,2})\s*?[T ]"
    r"\s*(\d{1,2})\s*:\s*(\d{1,2})\s*:\s*(\d{1,2})",
    re.ASCII,
)


@lru_cache(maxsize=256)
def format_timestamp(timestamp: int) -> str:
    """``YYYY-MM-DD HH:MM:SS`` with ``.mmm`` or ``.uuuuuu`` when the fraction is not zero."""
    if timestamp > _LAST_PRINTABLE_MICROSECONDS:
        return str(timestamp)
    seconds, fraction = divmod(timestamp, MICROSECONDS_PER_SECOND)
    cycles, rest_seconds = divmod(seconds, _DAYS_PER_400_YEARS * _SECONDS_PER_DAY)
    moment = _EPOCH + timedelta(seconds=rest_seconds)
    year = moment.year + 400 * cycles
    shown_year = f"+{year}" if year > 9999 else f"{year:04d}"
    text = f"{shown_year}-{moment:%m-%d %H:%M:%S}"
    if fraction % 1000:
        return f"{text}.{fraction:06d}"
    return f"{text}.{fraction // 1000:03d}" if fraction else text


def parse_timestamp(text: str) -> Timestamp:
    """Read ``YYYY-MM-DDTHH:MM:SS`` (or a space) as UTC; dates before 1970 give 2^64-1."""
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise DecodeError("InvalidTimestamp", text=text, expected="YYYY-MM-DDTHH:MM:SS")
    year_text, *rest = match.groups()
    month, day, hour, minute, second = (int(part) for part in rest)
    year = _parse_year(year_text, text)
    if not 1 <= month <= 12 or hour > 23 or minute > 59 or second > 60:
        raise DecodeError("InvalidTimestamp", text=text, expected="a date and time that exist")
    cycles = (year - 2000) // 400
    try:
        start = datetime(year - 400 * cycles, month, day, tzinfo=UTC)
    except ValueError as error:
        raise DecodeError("InvalidTimestamp", text=text, expected="a day that exists") from error
    days = (start - _EPOCH).days + cycles * _DAYS_PER_400_YEARS
    seconds = days * _SECONDS_PER_DAY + hour * 3600 + minute * 60 + second
    microseconds = seconds * MICROSECONDS_PER_SECOND
    return Timestamp(microseconds if microseconds >= 0 else U64_MAX)


def _parse_year(year_text: str, text: str) -> int:
    signed = year_text[0] in "+-"
    if (not signed and len(year_text) > 4) or len(year_text) > 8:
        raise DecodeError("InvalidTimestamp", text=text, expected="a year, + before long ones")
    year = int(year_text)
    if abs(year) > 262_142:
        raise DecodeError("InvalidTimestamp", text=text, expected="a year up to 262142")
    return year
