"""The feed's front page in a real browser: two people, each with a node service of their own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from catenula.base.identifiers import ApplicationId
from catenula.network import Network, NetworkWallet
from catenula.network.example_applications import example_module
from catenula.services.node import NodeServiceOptions, start_node_service
from catenula.services.node.server import NodeServiceServer
from tests.conftest import REPOSITORY
from tests.interop.chromium import ARGUMENTS, chromium_or_skip, served
from tests.services.node_stage import serve

PAGE = REPOSITORY / "examples" / "applications" / "feed" / "web"
TOKEN = "only for friends"
PATIENCE_MS = 30_000

expect.set_options(timeout=PATIENCE_MS)
pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def page_url() -> Iterator[str]:
    with served(PAGE) as url:
        yield url


@dataclass(slots=True)
class Person:
    """Somebody with a wallet, a service for it, and the page."""

    wallet: NetworkWallet
    server: NodeServiceServer
    page: Page

    async def open(self, page_url: str, feed: ApplicationId) -> None:
        """Open the page with everything filled in."""
        service = f"http://localhost:{self.server.port}"
        settings = {"service": service, "application": str(feed)}
        await self.page.goto(f"{page_url}#{urlencode(settings)}")

    async def is_live(self) -> None:
        """Wait until the page hears of blocks."""
        await expect(self.page.locator("#state")).to_have_text("live")

    async def follow(self, other: "Person") -> None:
        """Follow somebody by the form."""
        chain_id = str(other.wallet.chain.id)
        await self.page.get_by_label("A chain to follow").fill(chain_id)
        await self.page.get_by_role("button", name="Follow", exact=True).click()
        await expect(self.page.locator("#followed li .chain")).to_have_text([chain_id])

    async def post(self, text: str) -> None:
        """Post by the form."""
        await self.page.get_by_label("Say something").fill(text)
        await self.page.get_by_role("button", name="Post", exact=True).click()
        await expect(self.page.locator("#posts .text").first).to_have_text(text)


@dataclass(slots=True)
class Place:
    """A network with a feed, and a browser."""

    network: Network
    browser: Browser
    feed: ApplicationId
    alice: Person
    bob: Person


@asynccontextmanager
async def _person(wallet: NetworkWallet, browser: Browser, **options: Any) -> AsyncIterator[Person]:
    server = await start_node_service(serve(wallet, NodeServiceOptions(port=0, **options)))
    async with await browser.new_context() as context:
        person = Person(wallet, server, await context.new_page())
        try:
            yield person
        finally:
            await person.server.close()


def in_a_place(show: Callable[[Place], Awaitable[None]], **options: Any) -> None:
    """Show something with a new network and a new browser."""
    path = chromium_or_skip()

    async def main() -> None:
        async with await Network.start() as network, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
            wallets = [await network.wallet(name, 100) for name in ("alice", "bob")]
            feed = await wallets[0].chain.publish_and_create(
                *example_module("feed"), parameters=b"null", argument=b"null"
            )
            async with (
                _person(wallets[0], browser, **options) as alice,
                _person(wallets[1], browser) as bob,
            ):
                await show(Place(network, browser, feed, alice, bob))
            await browser.close()

    asyncio.run(main())


def test_posts_of_one_page_come_to_another_by_themselves(page_url: str) -> None:
    async def show(place: Place) -> None:
        for person in (place.alice, place.bob):
            await person.open(page_url, place.feed)
            await person.is_live()
        await place.bob.follow(place.alice)
        await place.alice.post("Hello, Bob.")
        await place.alice.post("<b>not bold</b>")
        timeline = place.bob.page.locator("#timeline .text")
        await expect(timeline).to_have_text(["<b>not bold</b>", "Hello, Bob."])
        shown = await place.bob.page.locator("#timeline small:not(.chain)").first.inner_text()
        assert "Invalid" not in shown
        await place.bob.page.get_by_role("button", name="Unfollow").click()
        await expect(place.bob.page.locator("#followed li")).to_have_count(0)

    in_a_place(show)


def test_a_service_that_restarts_is_found_again(page_url: str) -> None:
    async def show(place: Place) -> None:
        bob = place.bob
        await bob.open(page_url, place.feed)
        await bob.is_live()
        port = bob.server.port
        await bob.server.close()
        await expect(bob.page.locator("#state")).to_have_text("no news now, trying again")
        await bob.page.get_by_label("Say something").fill("lost")
        await bob.page.get_by_role("button", name="Post", exact=True).click()
        await expect(bob.page.locator("#trouble")).not_to_be_empty()
        assert await bob.page.get_by_label("Say something").input_value() == "lost"
        bob.server = await start_node_service(serve(bob.wallet, NodeServiceOptions(port=port)))
        await bob.is_live()
        await bob.post("found")

    in_a_place(show)


def test_a_token_is_sent_with_every_request(page_url: str) -> None:
    async def show(place: Place) -> None:
        alice = place.alice
        await alice.open(page_url, place.feed)
        await expect(alice.page.locator("#trouble")).to_contain_text("wants a token")
        await alice.page.get_by_label("Token").fill(TOKEN)
        await alice.page.get_by_role("button", name="Connect").click()
        await alice.is_live()
        await alice.post("friends only")
        assert TOKEN not in alice.page.url

    in_a_place(show, token=TOKEN)


def test_what_the_contract_refuses_is_shown(page_url: str) -> None:
    async def show(place: Place) -> None:
        alice = place.alice
        await alice.open(page_url, place.feed)
        await alice.is_live()
        await alice.page.get_by_label("A chain to follow").fill(str(alice.wallet.chain.id))
        await alice.page.get_by_role("button", name="Follow", exact=True).click()
        said = alice.page.locator("#trouble")
        await expect(said).to_contain_text("a chain need not follow itself")

    in_a_place(show)
