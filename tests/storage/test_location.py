"""Storage strings (spec 07 §14.6)."""

import pytest

from catenula.base.errors import LocalError
from catenula.storage.location import check_shareable, parse_location


@pytest.mark.parametrize(
    ("text", "engine_text"),
    [
        ("sqlite:a/b.sqlite", "sqlite:a/b.sqlite"),
        ("rocksdb:a", "rocksdb:a"),
        ("rocksdb:a:runtime", "rocksdb:a"),
        ("rocksdb:a:spawn_blocking:table_x", "rocksdb:a.table_x"),
        ("memory:genesis.json:ns", "memory:"),
        ("memory:", "memory:"),
    ],
)
def test_forms_that_are_served(text: str, engine_text: str) -> None:
    assert parse_location(text).engine_text() == engine_text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("service:tcp:localhost:1:table_x", "a storage service"),
        ("scylladb:tcp:localhost:9042:table_x", "a ScyllaDB cluster"),
        ("scylladb:", "a ScyllaDB cluster"),
        ("dualrocksdbscylladb:a:runtime:tcp:h:1", "RocksDB in front of"),
    ],
)
def test_stores_that_are_not_here_are_refused_by_name(text: str, name: str) -> None:
    with pytest.raises(LocalError, match=f"{name}.*use sqlite:PATH"):
        parse_location(text)


@pytest.mark.parametrize(
    "text", ["", "sqlite", "sqlite:", "rocksdb:", "rocksdb:a:other", "postgres:x"]
)
def test_malformed_texts_are_refused(text: str) -> None:
    with pytest.raises(LocalError, match="is refused"):
        parse_location(text)


@pytest.mark.parametrize("text", ["rocksdb:a", "memory:"])
def test_stores_of_one_process_are_refused_for_several(text: str) -> None:
    with pytest.raises(LocalError, match="leave out --processes"):
        check_shareable(parse_location(text))
    assert check_shareable(parse_location("sqlite:a")).path == "a"
