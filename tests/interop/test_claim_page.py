"""The faucet's page for people, in a real browser: a key made there owns the chain it claims."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from catenula.base.crypto import AccountSecretKey
from catenula.base.hashing import keccak256
from catenula.client.files.keystore_json import KeyStoreFile
from tests.interop.networks import OURS, RunningNetwork, running
from tests.ports import free_port, free_port_range

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    faucet_port = free_port()
    faucet = ("--with-faucet", "--faucet-port", str(faucet_port), "--faucet-amount", "10")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_OFFSET_PORT", str(free_port_range()))
        command, folder = (*OURS, "net", "up", *faucet), tmp_path_factory.mktemp("network")
        with running(command, faucet_port=faucet_port, folder=folder) as started:
            yield started


@pytest.fixture
def page(browser: Browser, network: RunningNetwork) -> Iterator[Page]:
    with browser.new_page() as opened:
        opened.goto(f"{network.faucet}/claim")
        yield opened


@pytest.mark.parametrize("length", [0, 1, 50, 135, 136, 137, 300])
def test_the_page_hashes_as_the_protocol_does(page: Page, length: int) -> None:
    data = bytes(number % 251 for number in range(length))
    script = "(data) => hex(keccak256(new Uint8Array(data)))"
    assert page.evaluate(script, list(data)) == keccak256(data).hex()


def made_key(page: Page, folder: Path) -> Path:
    """The file of a key that the page has made."""
    page.get_by_role("button", name="Make a key for me").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Save the key").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_a_key_made_on_the_page_is_a_key_store_of_that_address(page: Page, tmp_path: Path) -> None:
    path = made_key(page, tmp_path)
    assert path.name == "catenula-key.json"
    (owner,) = KeyStoreFile.read(path).owners()
    assert page.locator("#owner").input_value() == str(owner)
    (entry,) = json.loads(path.read_text())["keys"]
    secret = AccountSecretKey.from_json(json.loads(bytes(entry[1])))
    assert secret.owner() == owner
    assert page.get_by_role("button", name="Make a key for me").is_disabled()


def test_who_claims_with_a_made_key_can_pay_from_the_chain(
    page: Page, network: RunningNetwork, tmp_path: Path
) -> None:
    path = made_key(page, tmp_path)
    page.get_by_role("button", name="Claim", exact=True).click()
    expect(page.locator("#result")).to_be_visible()
    chain = page.locator("#chain").inner_text()
    assert page.locator("#balance").inner_text() == "10"
    owner = page.locator("#owner").input_value()
    said = page.locator("#key code").inner_text().splitlines()
    assert said[0] == f"catenula wallet init --faucet {network.faucet}"
    assert said[2] == f"catenula assign --owner {owner} --chain-id {chain}"
    files = {
        "LINERA_WALLET": str(tmp_path / "wallet.json"),
        "LINERA_KEYSTORE": str(tmp_path / "keystore.json"),
        "LINERA_STORAGE": f"sqlite:{tmp_path / 'client.sqlite'}",
    }

    def catenula(*arguments: str) -> str:
        done = subprocess.run(
            [*OURS, *arguments],
            env={**os.environ, **files},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    for line in said:
        if line.strip():
            words = line.removeprefix("catenula ").replace("catenula-key.json", str(path))
            catenula(*words.split())
    catenula("transfer", "3", "--from", chain, "--to", network_chain(files))
    assert float(catenula("query-balance", chain)) <= 7


def network_chain(files: dict[str, str]) -> str:
    """The admin chain, which every wallet knows."""
    wallet = json.loads(Path(files["LINERA_WALLET"]).read_text())
    chains: dict[str, dict[str, object]] = wallet["chains"]
    return next(name for name, entry in chains.items() if entry["owner"] is None)


def test_an_address_that_is_there_already_is_enough(page: Page) -> None:
    page.locator("#owner").fill("0x" + "3c" * 20)
    page.get_by_role("button", name="Claim", exact=True).click()
    expect(page.locator("#result")).to_be_visible()
    assert page.locator("#key").is_hidden()


def test_what_is_no_address_is_not_asked_for(page: Page) -> None:
    page.locator("#owner").fill("nobody")
    page.get_by_role("button", name="Claim", exact=True).click()
    assert page.locator("#result").is_hidden()
