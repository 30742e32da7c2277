"""Recorded data of the reference for data-driven tests.

The full recordings lie beside the repository; a committed selection stands in for them. When there
is neither, the tests that need a file are skipped, and say so.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from catenula.conformance.recordings import find_recording, read_recording

REPOSITORY = Path(__file__).resolve().parent.parent
FULL = REPOSITORY.parent / "shared" / "vectors"
COMMITTED = REPOSITORY / "tests" / "conformance" / "data"

Entry = dict[str, Any]


def folder() -> Path | None:
    """The full recordings if they are here, else the committed selection, else None."""
    return next((path for path in (FULL, COMMITTED) if path.is_dir()), None)


@lru_cache(maxsize=8)
def _read(path: Path) -> tuple[Entry, ...]:
    return tuple(read_recording(path)["entries"])


def entries(name: str) -> tuple[Entry, ...]:
    """All entries of a file such as ``types/keys.json``; empty when it is not here."""
    root = folder()
    wanted = Path(name)
    path = find_recording(root / wanted.parent, wanted.stem) if root is not None else None
    return _read(path) if path is not None else ()


def cases(name: str, wanted: Callable[[Entry], object] = lambda entry: True) -> list[Any]:
    """Parameters for `pytest.mark.parametrize`: one entry each, named as in the file."""
    chosen = [pytest.param(entry, id=entry["name"]) for entry in entries(name) if wanted(entry)]
    if chosen:
        return chosen
    reason = f"*** NOT TESTED: no recorded vectors {name} in {FULL} or {COMMITTED}"
    return [pytest.param(None, id="missing", marks=pytest.mark.skip(reason=reason))]
