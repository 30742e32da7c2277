"""JSON text to parsed data and back, keeping what the codecs must see.

Objects are parsed into `JsonObject` pairs, so that repeated fields can be refused (spec 01 §1.4).
"""

import json
from typing import Any, NoReturn

from catenula.base.codec.schema import JsonObject
from catenula.base.errors import DecodeError

_JSON_DEPTH_ERROR = "JSON is nested too deeply"


def parse_json(text: str | bytes) -> Any:
    """Parse JSON text; objects become `JsonObject`. `DecodeError` when it is not JSON."""
    try:
        return _DECODER.decode(text.decode() if isinstance(text, bytes) else text)
    except RecursionError as error:
        raise DecodeError("InvalidJson", reason=_JSON_DEPTH_ERROR) from error
    except ValueError as error:
        raise DecodeError("InvalidJson", reason=str(error)) from error


def write_json(data: Any, *, indent: int | None = None) -> str:
    """Compact JSON text of codec output (or indented by ``indent`` spaces)."""
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(data, ensure_ascii=False, indent=indent, separators=separators)


def _refuse_constant(name: str) -> NoReturn:
    raise DecodeError("InvalidJson", reason=f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=JsonObject, parse_constant=_refuse_constant)
