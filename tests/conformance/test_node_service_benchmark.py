"""The benchmark of the node service: it runs, and what it measures is plausible."""

from pathlib import Path

import pytest

from catenula.conformance.benchmarks import node_service


def test_a_node_service_is_asked_by_another_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(node_service, "_QUERIES", 64)
    monkeypatch.setattr(node_service, "_WARM_UP", 8)
    (sample,) = node_service.QUERIES.measure(tmp_path, 1)
    assert set(sample) == {figure.name for figure in node_service.QUERIES.figures}
    assert all(rate > 1 for rate in sample.values())
