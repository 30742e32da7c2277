"""The recorded traces of the reference's chain manager, its rules and its bundles."""

from typing import Any

import pytest

from catenula.base.codec import codec_of
from catenula.chain.bundles import EpochAndBundle, message_bundles, message_bundles_for
from catenula.conformance.manager_scripts import run_consensus_entry, run_manager_entry
from catenula.protocol import Block
from tests.vectors import cases


@pytest.mark.parametrize("entry", cases("types/manager.json"))
def test_manager_trace(entry: dict[str, Any]) -> None:
    assert run_manager_entry(entry) == []


@pytest.mark.parametrize("entry", cases("types/consensus.json"))
def test_consensus_rules(entry: dict[str, Any]) -> None:
    assert run_consensus_entry(entry) == []


@pytest.mark.parametrize(
    "entry", cases("types/blocks.json", lambda entry: "bundles_by_recipient" in entry)
)
def test_bundles_of_a_block(entry: dict[str, Any]) -> None:
    block = codec_of(Block).from_json(entry["json"])
    to_json = codec_of(tuple[EpochAndBundle, ...]).to_json
    found = message_bundles(block)
    assert [
        {"recipient": str(recipient), "bundles": to_json(bundles)}
        for recipient, bundles in found.items()
    ] == entry["bundles_by_recipient"]
    for recipient in block.recipients:
        assert message_bundles_for(block, recipient) == found[recipient]


def test_a_changed_trace_is_noticed() -> None:
    entries = [case.values[0] for case in cases("types/manager.json")]
    if entries[0] is None:
        pytest.skip("no recorded traces")
    changed = dict(entries[0])
    changed["reset_now"] += 1
    assert run_manager_entry(changed) or run_manager_entry({**changed, "height": 1})
