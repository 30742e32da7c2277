"""Fixtures of the command line's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.support import LocalNetwork


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalNetwork]:
    """Four validators in memory."""
    running = LocalNetwork(tmp_path, monkeypatch)
    yield running
    running.close()
