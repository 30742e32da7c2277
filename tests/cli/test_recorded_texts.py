"""Texts that the reference printed for values of its own network, rendered from the same bytes."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from catenula.base.codec import codec_of
from catenula.cli.debug_text import debug_fields, debug_list, debug_text, named_block
from catenula.protocol import Block, ChainDescription
from tests.conftest import SHARED_VECTORS

RUNS = sorted((SHARED_VECTORS / "network").glob("*/cli.json"))
pytestmark = pytest.mark.skipif(not RUNS, reason="the recordings (../shared/vectors) are not here")


@cache
def blocks(run: Path) -> dict[tuple[str, int], str]:
    """The bytes of all blocks of a run, by chain and height."""
    history = json.loads(gzip.decompress((run.parent / "history.json.gz").read_bytes()))
    return {
        (item["chain_id"], item["height"]): item["confirmed_block"]
        for item in history["certificates"]
    }


def commands(run: Path, *words: str) -> list[dict[str, Any]]:
    """The successful commands of a run that start with these words."""
    recorded = json.loads(run.read_text())
    count = len(words)
    return [item for item in recorded if tuple(item["args"][:count]) == words and item["exit"] == 0]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.parent.name)
def test_show_block(run: Path) -> None:
    for item in commands(run, "chain", "show-block"):
        height, chain_id = item["args"][2:4]
        block = Block.from_bcs(bytes.fromhex(blocks(run)[chain_id, int(height)]))
        text = f"Some({named_block(block, indent=1)})\n"
        assert text == item["stdout"]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.parent.name)
def test_query_block(run: Path) -> None:
    for item in commands(run, "validator", "query-block"):
        height, chain_id = item["args"][4], item["args"][6]
        block = Block.from_bcs(bytes.fromhex(blocks(run)[chain_id, int(height)]))
        assert item["stdout"].endswith(f"\n\n{named_block(block)}\n")


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.parent.name)
def test_show_chain_description(run: Path) -> None:
    chains = json.loads(gzip.decompress((run.parent / "chains.json.gz").read_bytes()))
    for item in commands(run, "chain", "show-chain-description"):
        raw = bytes.fromhex(chains[item["args"][2]]["description_bcs"])
        node = codec_of(ChainDescription).node
        assert debug_text(node, ChainDescription.from_bcs(raw)) + "\n" == item["stdout"]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.parent.name)
def test_list_events(run: Path) -> None:
    for item in commands(run, "list-events-from-index"):
        chain_id, stream = item["args"][1], item["args"][3]
        found = {
            event.index: event.value
            for (chain, _), raw in blocks(run).items()
            if chain == chain_id
            for events in Block.from_bcs(bytes.fromhex(raw)).body.events
            for event in events
            if str(event.stream_id) == stream
        }
        shown = [
            debug_fields("IndexAndEvent", index=str(index), event=debug_list(found[index]))
            for index in sorted(found)
        ]
        known = item["stdout"].count("IndexAndEvent")
        assert debug_list(shown[:known]) + "\n" == item["stdout"]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.parent.name)
def test_every_block_and_description_has_a_text(run: Path) -> None:
    for raw in blocks(run).values():
        block = Block.from_bcs(bytes.fromhex(raw))
        assert named_block(block).endswith(f"hash: {block.hash},\n    }},\n)")
