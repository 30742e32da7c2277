"""``kill -9`` of a network and its wallet while an application is used (K4, S2, C17).

Every operation that was acknowledged has counted, and none has counted twice: what a later process
finds is the last number told, or one more when the kill came between a block and its word. The
moment of the kill is random; its seed is printed and can be given as ``CATENULA_SEED``.
"""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.process

KILLS = 3
MOST_BLOCKS = 40


def start(folder: Path, engine: str, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.process.counting", str(folder), engine, *options]
    return subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def numbers(process: "subprocess.Popen[str]", count: int | None = None) -> list[int]:
    """What a process finds and counts; it is killed after ``count`` blocks."""
    assert process.stdout is not None
    told: list[int] = []
    for line in process.stdout:
        if not line.endswith("\n"):
            break
        word, number = line.split()
        if word == "agreed":
            assert number == "1", "the validators' states differ"
        else:
            told.append(int(number))
        if count is not None and len(told) > count:
            process.kill()
            break
    _, errors = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), errors
    return told


@pytest.mark.parametrize("engine", ["sqlite", "rocksdb"])
def test_every_acknowledged_operation_counts_once(engine: str, tmp_path: Path) -> None:
    seed = int(os.environ.get("CATENULA_SEED") or random.randrange(2**32))
    sys.stdout.write(f"CATENULA_SEED={seed}\n")
    rng = random.Random(seed)
    last = numbers(start(tmp_path, engine, "--steps", "1"))[-1]
    assert last == 1
    for _ in range(KILLS):
        found, *counted = numbers(start(tmp_path, engine), rng.randrange(MOST_BLOCKS))
        assert last <= found <= last + 1
        assert counted == list(range(found + 1, found + 1 + len(counted)))
        last = counted[-1] if counted else found
    found, *counted = numbers(start(tmp_path, engine, "--steps", "3"))
    assert last <= found <= last + 1
    assert counted == [found + 1, found + 2, found + 3]
