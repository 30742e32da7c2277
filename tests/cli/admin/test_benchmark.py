"""``validator benchmark``: every layer, every format, and a validator that is not there."""

import json
from pathlib import Path
from typing import Any

import pytest

from catenula.client.administration.benchmark import LAYERS, lag_trend
from catenula.client.administration.benchmark_text import as_yaml
from catenula.client.administration.latency import percentile
from tests.cli.admin.support import AdministeredNetwork, address_of

_QUICK = (
    "--baseline-requests=3",
    "--stress-levels=1,2",
    "--stress-duration-secs=0.02",
    "--bulk-concurrency=1",
    "--tip-lag-samples=2",
    "--tip-lag-interval-secs=0",
)


def test_all_layers_are_measured(administered: AdministeredNetwork, tmp_path: Path) -> None:
    network = administered
    admin, other, _ = network.chains
    network.admin("transfer", "--from", admin, "--to", other, "1")
    network.admin("transfer", "--from", admin, "--to", other, "1")
    file = tmp_path / "report.json"
    brief = network.admin(
        "validator", "benchmark", address_of(4), "--chain", admin, "--deep", *_QUICK,
        "--output", f"json:{file},brief",
    )  # fmt: skip
    report = json.loads(file.read_text())
    layers = report["layers"]
    assert tuple(layers) == LAYERS
    assert report["metadata"]["complete"]
    assert layers["preflight"]["status"] == "ok"
    assert layers["partial_sync"]["blocks_accepted"] == 2
    assert layers["read_baseline"]["per_chain"][0]["latency_ms"]["count"] == 3
    assert [level["concurrency"] for level in layers["read_stress"]["per_chain"][0]["levels"]] == [
        1,
        2,
    ]
    assert layers["bulk_download"]["per_chain"][0]["runs"][0]["certs_received"] == 2
    assert layers["tip_lag"]["per_chain"][0]["samples"][-1]["lag_blocks"] == 0
    assert "blocks pushed" in brief
    assert "errors" in brief


@pytest.mark.parametrize("form", ["md", "yaml", "brief", "json"])
def test_every_format_is_printed(administered: AdministeredNetwork, form: str) -> None:
    network = administered
    text = network.admin(
        "validator", "benchmark", address_of(0), "--chain", network.chains[0], *_QUICK,
        "--output", form,
    )  # fmt: skip
    assert address_of(0) in text


def test_a_validator_that_is_not_there_is_a_finding(administered: AdministeredNetwork) -> None:
    network = administered
    network.run(network.spare.stop())
    report = network.admin.json(
        "validator", "benchmark", address_of(4), "--chain", network.chains[0], *_QUICK,
        "--abort-on-preflight-fail",
    )  # fmt: skip
    assert report["layers"]["preflight"]["status"] == "fail"
    assert list(report["layers"]) == ["preflight"]
    assert report["layers"]["preflight"]["rtt_ms"]["errors"]["unavailable"] == 10


def test_unknown_formats_and_ranges_are_wrong_usage(administered: AdministeredNetwork) -> None:
    network = administered
    for more in (["--output", "pdf"], ["--bulk-height-range", "3"], ["--stress-levels", "a"]):
        arguments = ["validator", "benchmark", address_of(0), "--chain", network.chains[0], *more]
        assert network.admin.run(*arguments).exit_code == 2


def test_percentiles_and_trends() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], 50) == 2.0
    assert percentile([1.0], 99) == 1.0
    assert lag_trend([{"lag_blocks": 3}, {"lag_blocks": 1}]) == "converging"
    assert lag_trend([{"lag_blocks": 1}, {"lag_blocks": 3}]) == "diverging"
    assert lag_trend([{"lag_blocks": None}]) == "stable"


def test_yaml_keeps_texts_texts() -> None:
    report: dict[str, Any] = {"a": "no", "b": [{"c": 1, "d": []}, "grpc:x:1"], "e": {}, "f": None}
    assert as_yaml(report).splitlines() == [
        'a: "no"',
        "b:",
        "  - c: 1",
        "    d: []",
        '  - "grpc:x:1"',
        "e: {}",
        "f: null",
    ]
