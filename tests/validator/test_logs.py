"""Log lines: their forms, and that they never hold a key."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from catenula.testing.keys import validator_key
from catenula.validator.configuration import LogOptions
from catenula.validator.logs import ROOT, Log, set_up_logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    logger = logging.getLogger(ROOT)
    before = (logger.level, logger.propagate, list(logger.handlers))
    yield
    logger.level, logger.propagate = before[:2]
    logger.handlers[:] = before[2]


def lines(form: str, level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    set_up_logs(LogOptions(form, level), stream)
    return stream


def test_json_lines_are_objects_with_the_fields() -> None:
    stream = lines("json")
    Log("part", worker=1).info("an event", count=3, text="a b", raw=b"\x01")
    data = json.loads(stream.getvalue())
    assert data["part"] == "part"
    assert data["event"] == "an event"
    assert data["level"] == "info"
    assert (data["worker"], data["count"], data["text"], data["raw"]) == (1, 3, "a b", "01")


def test_lines_for_people_name_the_cause() -> None:
    stream = lines("human")
    error = ValueError("outer")
    error.__cause__ = OSError("inner")
    Log("part").warning("trouble", error=error)
    assert "WARNING part: trouble error=outer <- inner" in stream.getvalue()


def test_the_level_is_kept() -> None:
    stream = lines("human", "warning")
    Log("part").info("unheard")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("form", ["human", "json"])
def test_a_key_is_never_logged(form: str) -> None:
    key = validator_key(0)
    stream = lines(form)
    Log("part").info("an event", key=key, text=str(key), error=ValueError(repr(key)))
    assert key.to_json() not in stream.getvalue()
