"""Fixtures of the tests of operators' commands."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.admin.support import AdministeredNetwork


@pytest.fixture
def administered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AdministeredNetwork]:
    """Four validators, a spare one, an administrator."""
    running = AdministeredNetwork(tmp_path, monkeypatch)
    yield running
    running.close()
