"""The feed's page with the reference's node service, on its network and on ours."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import REPOSITORY
from tests.interop import session
from tests.interop.applications import files_of
from tests.interop.chromium import served
from tests.interop.commands import Wallet
from tests.interop.networks import RunningNetwork
from tests.interop.node_services import serving
from tests.interop.test_official_cli import network_of, program_of

PAGE = REPOSITORY / "examples" / "applications" / "feed" / "web"
PATIENCE_MS = 60_000

pytestmark = [pytest.mark.interop, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def page_url() -> Iterator[str]:
    with served(PAGE) as url:
        yield url


def _join(program: tuple[str, ...], folder: Path, network: RunningNetwork) -> Wallet:
    wallet = Wallet(program, folder, [], storage=f"rocksdb:{folder / 'client.db'}")
    session.join(wallet, network.faucet)
    return wallet


def _post(page: Page, text: str) -> None:
    page.get_by_label("Say something").fill(text)
    page.get_by_role("button", name="Post", exact=True).click()
    expect(page.locator("#posts .text").first).to_have_text(text, timeout=PATIENCE_MS)


@pytest.mark.parametrize("validators", ["official", "ours"])
def test_the_page_works_with_the_reference_s_node_service(
    validators: str,
    browser: Browser,
    page_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = program_of("official")
    with network_of(validators, tmp_path / "network", monkeypatch) as network:
        alice, bob = (_join(program, tmp_path / name, network) for name in ("alice", "bob"))
        feed = alice.line("publish-and-create", *files_of("feed"), "--json-argument", "null")
        hers = alice.line("wallet", "show", "--short", "--owned")
        with serving(alice) as alices, serving(bob) as bobs, browser.new_context() as context:
            pages = [context.new_page() for _ in range(2)]
            for page, service in zip(pages, (alices, bobs), strict=True):
                page.goto(f"{page_url}#{urlencode({'service': service, 'application': feed})}")
                expect(page.locator("#state")).to_have_text("live", timeout=PATIENCE_MS)
            writer, reader = pages
            reader.get_by_label("A chain to follow").fill(hers)
            reader.get_by_role("button", name="Follow", exact=True).click()
            followed = reader.locator("#followed .chain")
            expect(followed).to_have_text([hers], timeout=PATIENCE_MS)
            _post(writer, "Hello, Bob.")
            _post(writer, "And again.")
            timeline = reader.locator("#timeline .text")
            expect(timeline).to_have_text(["And again.", "Hello, Bob."], timeout=PATIENCE_MS)
