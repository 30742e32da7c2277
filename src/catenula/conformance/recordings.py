"""Reading recorded files: JSON, plain or compressed with gzip.

A recording ``NAME.json`` may lie there as ``NAME.json`` or as ``NAME.json.gz``; both are accepted.
Reads only; unreadable files raise `LocalError`, never a bare `OSError` or `ValueError`.
"""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from catenula.base.errors import LocalError

SUFFIXES = (".json", ".json.gz")
"""How the name of a recording ends."""


def is_recording(path: Path) -> bool:
    """Whether the name of a file is that of a recording."""
    return path.name.endswith(SUFFIXES)


def recording_name(path: Path) -> str:
    """The file's name without ``.json`` or ``.json.gz``."""
    return path.name.removesuffix(".gz").removesuffix(".json")


def find_recording(folder: Path, name: str) -> Path | None:
    """The file of the recording ``name`` in a folder, plain before compressed."""
    candidates = (folder / f"{name}{suffix}" for suffix in SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def read_recording(path: Path) -> Any:
    """The JSON value of a recording; `LocalError` when it cannot be read."""
    try:
        content = path.read_bytes()
        if path.name.endswith(".gz"):
            content = gzip.decompress(content)
        return json.loads(content)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise LocalError(f"the recording {path} cannot be read", retryable=False) from error
