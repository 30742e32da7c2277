"""A store that is unknown or damaged is refused by name and never served."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from catenula.base.errors import LocalError
from catenula.storage import PUT, Batch, DamagedStore, open_store


def filled(kind: str, path: Path) -> str:
    name = f"{kind}:{path}"
    with open_store(name) as store:
        for number in range(20):
            key = number.to_bytes(2, "big")
            store.commit([(b"root", Batch([(PUT, key, bytes([number]) * 700)]))])
    return name


def read_all(name: str) -> list[tuple[bytes, bytes]]:
    with open_store(name) as store:
        return store.partition(b"root").scan(b"")


@pytest.mark.parametrize("content", [b"", b"hello", b"SQLite format 3\0" + bytes(200)])
def test_sqlite_refuses_a_file_that_is_no_store(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "store"
    path.write_bytes(content)
    with pytest.raises(DamagedStore, match=str(path)):
        open_store(f"sqlite:{path}")


def test_sqlite_refuses_another_database(tmp_path: Path) -> None:
    path = tmp_path / "other"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE things (name TEXT)")
    connection.close()
    with pytest.raises(DamagedStore, match="not a store of Catenula"):
        open_store(f"sqlite:{path}")


def test_sqlite_refuses_another_version(tmp_path: Path) -> None:
    path = tmp_path / "store"
    filled("sqlite", path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE format SET marker = ?", (b"catenula-store/999",))
    connection.commit()
    connection.close()
    with pytest.raises(DamagedStore, match="unknown format"):
        open_store(f"sqlite:{path}")


def test_sqlite_refuses_a_truncated_file(tmp_path: Path) -> None:
    path = tmp_path / "store"
    name = filled("sqlite", path)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(DamagedStore, match=str(path)):
        read_all(name)


def test_sqlite_never_serves_a_changed_byte(tmp_path: Path) -> None:
    path = tmp_path / "store"
    name = filled("sqlite", path)
    intact, expected = path.read_bytes(), read_all(name)
    refused = 0
    for position in range(0, len(intact), 97):
        changed = bytearray(intact)
        changed[position] ^= 0x40
        path.write_bytes(changed)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        try:
            assert read_all(name) == expected
        except LocalError:
            refused += 1
    assert refused > len(intact) // 97 // 4


def test_sqlite_leaves_no_half_made_file(tmp_path: Path) -> None:
    filled("sqlite", tmp_path / "store")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_sqlite_serves_two_processes(tmp_path: Path) -> None:
    name = f"sqlite:{tmp_path / 'store'}"
    program = (
        "import sys\n"
        "from catenula.storage import PUT, Batch, open_store\n"
        "store = open_store(sys.argv[1])\n"
        "for number in range(50):\n"
        "    key = sys.argv[2].encode() + bytes([number])\n"
        "    store.commit([(b'root', Batch([(PUT, key, b'v')]))])\n"
    )
    commands = [[sys.executable, "-c", program, name, letter] for letter in "ab"]
    running = [subprocess.Popen(command) for command in commands]
    assert [process.wait(timeout=60) for process in running] == [0, 0]
    assert len(read_all(name)) == 100


def test_sqlite_says_when_the_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(LocalError, match="check the path"):
        open_store(f"sqlite:{tmp_path / 'file' / 'store'}")


def test_rocksdb_refuses_a_folder_that_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "store"
    path.mkdir()
    with pytest.raises(DamagedStore, match=str(path)):
        open_store(f"rocksdb:{path}")


def test_rocksdb_refuses_another_database(tmp_path: Path) -> None:
    import rocksdict

    rocksdict.Rdict(str(tmp_path / "other"), rocksdict.Options(raw_mode=True)).close()
    with pytest.raises(DamagedStore, match="not a store of Catenula"):
        open_store(f"rocksdb:{tmp_path / 'other'}")


def test_rocksdb_refuses_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "store"
    name = filled("rocksdb", path)
    for manifest in path.glob("MANIFEST-*"):
        manifest.unlink()
    with pytest.raises(LocalError, match=str(path)):
        open_store(name)


def test_rocksdb_never_serves_a_changed_byte(tmp_path: Path) -> None:
    path = tmp_path / "store"
    name = filled("rocksdb", path)
    expected = read_all(name)
    for data in [*path.glob("*.sst"), *path.glob("*.log")]:
        content = bytearray(data.read_bytes())
        if len(content) > 4000:
            content[len(content) // 3] ^= 0x40
            data.write_bytes(content)
    try:
        found = read_all(name)
    except LocalError:
        return
    assert found == expected


def test_rocksdb_serves_one_process_at_a_time(tmp_path: Path) -> None:
    name = filled("rocksdb", tmp_path / "store")
    with open_store(name), pytest.raises(LocalError, match="another process"):
        open_store(name)
