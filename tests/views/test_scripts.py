"""The recorded scripts on storage views: exact writes, stored pairs and hashes."""

from typing import Any

import pytest

from catenula.conformance.view_scripts import run_historical_entry, run_view_entry
from tests.vectors import cases


@pytest.mark.parametrize("entry", cases("types/views.json"))
def test_view_script(entry: dict[str, Any]) -> None:
    assert run_view_entry(entry) == []


@pytest.mark.parametrize("entry", cases("types/historical.json"))
def test_historical_script(entry: dict[str, Any]) -> None:
    assert run_historical_entry(entry) == []


def test_a_wrong_record_is_reported() -> None:
    entry = {
        "view": {"kind": "KeyValueStoreView", "key": "raw", "value": "raw"},
        "steps": [{"op": "hash", "result": "00"}],
        "final_store": [],
    }
    assert len(run_view_entry(entry)) == 1
