"""The conversations recorded with the reference's faucet, held with ours."""

import asyncio
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from catenula.services.faucet.schema import SCHEMA_TEXT
from tests.services.introspection import INTROSPECTION, without_descriptions
from tests.services.stage import Stage, faucet_stage, graphql, owner, request

_OURS_ALONE = {"access-control-max-age", "date", "allow"}
_LENGTHS_DIFFER = {"content-length"}


def _recording(folder: Path, name: str) -> Any:
    path = folder / "network" / "a-nofees" / f"{name}.json.gz"
    if not path.is_file():
        pytest.skip(f"*** NOT TESTED: {path} is not here")
    return json.loads(gzip.decompress(path.read_bytes()))


def test_introspection_equals_the_recorded_one(tmp_path: Path, shared_vectors: Path) -> None:
    recorded = _recording(shared_vectors, "faucet_introspection")

    async def main() -> None:
        async with faucet_stage(tmp_path) as stage:
            answer = await graphql(stage.server.port, INTROSPECTION)
            assert without_descriptions(answer) == recorded

    asyncio.run(main())


def test_every_type_and_field_is_described_in_our_own_words() -> None:
    text = SCHEMA_TEXT.partition("schema {")[0]
    described = re.findall(r"\"\"\"(.+?)\"\"\"", text)
    assert len(described) == len(set(described))
    declared = re.findall(r"^(?:scalar|type) \w+|^  \w+.*: [\w\[\]!]+$", text, re.MULTILINE)
    assert len(described) == len(declared)


class _Same:
    """Ids, keys, times and addresses: ours for theirs, one for one."""

    def __init__(self) -> None:
        self._ours: dict[Any, Any] = {}
        self._theirs: dict[Any, Any] = {}

    def matches(self, theirs: Any, ours: Any) -> bool:
        """Whether the two could be the same thing in two networks."""
        first, second = self._ours.setdefault(theirs, ours), self._theirs.setdefault(ours, theirs)
        return bool(first == ours and second == theirs)


_HEX = re.compile(r"[0-9a-f]{64}")
_HERE = {"version": {"crate_version", "git_commit"}}
_OF_THE_NETWORK = {"genesisConfig", "currentValidators", "currentCommittee"}


def _compare(theirs: Any, ours: Any, same: _Same, path: str = "") -> None:
    assert type(theirs) is type(ours), path
    if isinstance(theirs, dict):
        assert list(theirs) == list(ours), path
        for key in theirs:
            if key not in _HERE.get(path.rpartition(".")[2], ()):
                _compare(theirs[key], ours[key], same, f"{path}.{key}")
    elif isinstance(theirs, list):
        assert len(theirs) == len(ours), path
        for index, (one, other) in enumerate(zip(theirs, ours, strict=True)):
            _compare(one, other, same, f"{path}[{index}]")
    elif _is_mapped(theirs):
        assert same.matches(theirs, ours), f"{path}: {theirs} / {ours}"
    else:
        assert theirs == ours, path


def _is_mapped(value: Any) -> bool:
    is_time = type(value) is int and 10**15 < value < 10**16
    return is_time or (isinstance(value, str) and _HEX.fullmatch(value) is not None)


def _shape(data: Any) -> Any:
    """The same data with its leaves replaced by their types: for what differs by network."""
    if isinstance(data, dict):
        return {key: _shape(value) for key, value in data.items() if not key.startswith("0")}
    if isinstance(data, list):
        return [_shape(data[0])] if data else []
    return type(data).__name__


async def _replay(stage: Stage, entry: Any, same: _Same) -> None:
    body = entry["request_body"]
    answer = await request(
        stage.server.port,
        entry["method"],
        entry["path"],
        body=None if body is None else body.encode(),
        headers=entry["request_headers"],
    )
    assert answer.status == entry["status"]
    _compare_headers(dict(entry["response_headers"]), answer.headers)
    theirs = entry["response_body"]
    if not theirs.startswith("{"):
        assert answer.body.decode() == theirs
        return
    expected, found = json.loads(theirs), answer.json()
    if expected["data"] and set(expected["data"]) & _OF_THE_NETWORK:
        assert _shape(expected) == _shape(found)
        return
    _compare(expected, found, same)


def _compare_headers(theirs: dict[str, str], ours: dict[str, str]) -> None:
    skipped = _OURS_ALONE | _LENGTHS_DIFFER
    assert {key: value for key, value in theirs.items() if key not in skipped} == {
        key: value for key, value in ours.items() if key not in skipped
    }


def test_recorded_conversation_is_the_same_with_us(tmp_path: Path, shared_vectors: Path) -> None:
    conversation = _recording(shared_vectors, "faucet")["http"]

    async def main() -> None:
        same = _Same()
        async with faucet_stage(tmp_path, daily_claim_amount=1) as stage:
            for entry in conversation:
                if "results" not in entry:
                    await _replay(stage, entry, same)

    asyncio.run(main())
    assert len(conversation) == 27


def test_eight_parallel_claims_share_one_block(tmp_path: Path, shared_vectors: Path) -> None:
    recorded = next(
        entry for entry in _recording(shared_vectors, "faucet")["http"] if "results" in entry
    )

    async def main() -> None:
        async with faucet_stage(tmp_path) as stage:
            claims = (stage.faucet.claim(owner(1000 + number)) for number in range(8))
            found = await asyncio.gather(*claims)
        shown = [{"claim": description.to_json()} for description in found]
        assert [_shape(item) for item in shown] == [_shape(item) for item in recorded["results"]]
        origins = [item["claim"]["origin"]["Child"] for item in shown]
        assert sorted(origin["chain_index"] for origin in origins) == list(range(8))
        assert len({origin["block_height"] for origin in origins}) == 1

    asyncio.run(main())
