"""Several writers of one wallet file, and writers that die."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from catenula.base.crypto import AccountSecretKey, SignatureScheme
from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId
from catenula.client.files.atomic import locked, write_atomically
from catenula.client.files.keystore_json import KeyStoreFile
from catenula.client.files.wallet_json import ChainEntry, WalletFile

GENESIS = b'{"network_name": "any"}'
FIRST, SECOND = ChainId(b"\x01" * 32), ChainId(b"\x02" * 32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A wallet with one chain at height 5."""
    path = tmp_path / "wallet.json"
    wallet = WalletFile.create(path, GENESIS)
    wallet.content = wallet.content.with_chain(FIRST, entry(5, "0x01"))
    wallet.save()
    return path


def entry(height: int, owner: str | None = "0x01") -> ChainEntry:
    """An entry at a height."""
    return ChainEntry(owner, None, height, 0)


def put(wallet: WalletFile, chain_id: ChainId, value: ChainEntry) -> None:
    """Change a wallet in memory."""
    wallet.content = wallet.content.with_chain(chain_id, value)


def test_both_writers_chains_are_kept(path: Path) -> None:
    mine, theirs = WalletFile.read(path), WalletFile.read(path)
    put(theirs, SECOND, entry(1))
    theirs.save()
    put(mine, FIRST, entry(6))
    mine.save()
    content = WalletFile.read(path).content
    assert content.chains == {str(FIRST): entry(6), str(SECOND): entry(1)}


def test_heights_are_never_lowered(path: Path) -> None:
    slow, fast = WalletFile.read(path), WalletFile.read(path)
    put(slow, FIRST, entry(6))
    put(fast, FIRST, entry(9))
    fast.save()
    slow.save()
    assert WalletFile.read(path).content.chains[str(FIRST)].next_block_height == 9


def test_a_new_owner_survives_a_writer_that_only_knows_more_blocks(path: Path) -> None:
    progress, owner = WalletFile.read(path), WalletFile.read(path)
    put(owner, FIRST, entry(5, "0x02"))
    owner.save()
    put(progress, FIRST, entry(7))
    progress.save()
    assert WalletFile.read(path).content.chains[str(FIRST)] == entry(7, "0x02")


def test_a_forgotten_chain_stays_forgotten(path: Path) -> None:
    forgetful, other = WalletFile.read(path), WalletFile.read(path)
    forgetful.content = forgetful.content.without_chain(FIRST)
    put(other, SECOND, entry(1))
    other.save()
    forgetful.save()
    assert list(WalletFile.read(path).content.chains) == [str(SECOND)]


def test_nothing_changed_is_nothing_written(path: Path) -> None:
    before = path.stat().st_ino
    wallet = WalletFile.read(path)
    put(wallet, FIRST, entry(5))
    wallet.save()
    assert path.stat().st_ino == before


def test_a_wallet_that_is_none_is_refused_with_advice(path: Path) -> None:
    for text in (b"", b"{", b'{"chains": {"zz": 1}}', path.read_bytes()[:-200]):
        path.write_bytes(text)
        with pytest.raises(LocalError, match="wallet init"):
            WalletFile.read(path)


def test_secrets_are_not_shown_by_a_damaged_key_store(tmp_path: Path) -> None:
    path = tmp_path / "keystore.json"
    path.write_text('{"keys": [["0x00", "5ec4e7"]]}')
    with pytest.raises(LocalError) as caught:
        KeyStoreFile.read(path)
    assert "5ec4e7" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_keys_of_two_writers_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "keystore.json"
    one, other = KeyStoreFile.create(path), KeyStoreFile.read(path)
    owners = {one.generate(os.urandom), other.generate(os.urandom), one.generate(os.urandom)}
    assert set(KeyStoreFile.read(path).owners()) == owners


def test_foretellable_keys_go_on_where_they_stopped(tmp_path: Path) -> None:
    first = KeyStoreFile.create(tmp_path / "a.json", 7)
    again = KeyStoreFile.create(tmp_path / "b.json", 7)
    keys = [first.generate(os.urandom) for _ in range(2)]
    assert keys == [again.generate(os.urandom), again.generate(os.urandom)]
    assert len(set(keys)) == 2


def test_any_scheme_can_be_stored(tmp_path: Path) -> None:
    path = tmp_path / "keystore.json"
    store = KeyStoreFile.create(path)
    for scheme in SignatureScheme:
        owner = store.add(AccountSecretKey.generate(scheme, os.urandom))
        assert KeyStoreFile.read(path).key(owner).owner() == owner


def test_writers_take_turns(path: Path) -> None:
    entered, order = threading.Event(), list[str]()

    def second() -> None:
        entered.set()
        with locked(path):
            order.append("second")

    with locked(path):
        thread = threading.Thread(target=second)
        thread.start()
        assert entered.wait(10)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


WRITER = """
import sys
from pathlib import Path
from catenula.client.files.atomic import write_atomically
path = Path(sys.argv[1])
print("ready", flush=True)
while True:
    for letter in b"ab":
        write_atomically(path, bytes([letter]) * 300_000)
"""


@pytest.mark.process
def test_a_killed_writer_leaves_the_old_or_the_new_content(tmp_path: Path, kills: int) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"a" * 300_000)
    for _ in range(kills):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            before = path.stat().st_ino
            while path.stat().st_ino == before:
                pass
            process.send_signal(signal.SIGKILL)
        content = path.read_bytes()
        assert content in (b"a" * 300_000, b"b" * 300_000)
