"""The feed: posts are events of one chain and entries in the timelines of others."""

from catenula.base.identifiers import ApplicationId
from catenula.network import Network
from catenula.network.chain import NetworkChain
from tests.examples.street import Street, ask, created, on_the_street, refusal, tell


async def _post(chain: NetworkChain, feed: ApplicationId, text: str) -> None:
    await tell(chain, feed, "mutation ($text: String!) { post(text: $text) }", text=text)


async def _follow(reader: NetworkChain, feed: ApplicationId, whom: NetworkChain) -> None:
    await tell(reader, feed, f'mutation {{ follow(chainId: "{whom.id}") }}')


async def _timeline(
    network: Network, reader: NetworkChain, feed: ApplicationId
) -> list[tuple[str, int, str]]:
    """Chain, index and text of what the reader sees, newest first, once all of it is there."""
    await network.settled()
    await reader.synchronize()
    await reader.process_inbox()
    entries = (await ask(reader, feed, "{ timeline { chainId index post { text } } }"))["timeline"]
    return [(entry["chainId"], entry["index"], entry["post"]["text"]) for entry in entries]


@on_the_street
async def test_a_timeline_gathers_the_posts_of_two_chains(street: Street) -> None:
    alice, bob, carol = street.alice.chain, street.bob.chain, street.carol.chain
    feed = await created(alice, "feed")
    await _post(alice, feed, "early")
    await _follow(carol, feed, alice)
    await _follow(carol, feed, bob)
    await _post(bob, feed, "from bob")
    await _post(alice, feed, "late")
    timeline = await _timeline(street.network, carol, feed)
    names = {str(alice.id): "alice", str(bob.id): "bob"}
    seen = [(names[chain], index, text) for chain, index, text in timeline]
    assert sorted(seen) == [("alice", 0, "early"), ("alice", 1, "late"), ("bob", 0, "from bob")]
    assert seen.index(("alice", 1, "late")) < seen.index(("alice", 0, "early"))
    followed = (await ask(carol, feed, "{ followed }"))["followed"]
    assert sorted(followed) == sorted(names)


@on_the_street
async def test_whoever_is_not_followed_any_more_is_not_read_any_more(street: Street) -> None:
    alice, carol = street.alice.chain, street.carol.chain
    feed = await created(alice, "feed")
    await _follow(carol, feed, alice)
    await _post(alice, feed, "one")
    assert len(await _timeline(street.network, carol, feed)) == 1
    await tell(carol, feed, f'mutation {{ unfollow(chainId: "{alice.id}") }}')
    await _post(alice, feed, "two")
    assert len(await _timeline(street.network, carol, feed)) == 1
    assert (await ask(carol, feed, "{ followed }"))["followed"] == []


@on_the_street
async def test_posts_of_a_chain_are_listed_newest_first_and_bounded(street: Street) -> None:
    alice = street.alice.chain
    feed = await created(alice, "feed")
    for text in ("one", "two", "three"):
        await _post(alice, feed, text)
    posts = (await ask(alice, feed, "{ posts(latest: 2) { text } }"))["posts"]
    assert [post["text"] for post in posts] == ["three", "two"]
    assert "the post is empty" in await refusal(_post(alice, feed, ""))
    assert "the post is too long" in await refusal(_post(alice, feed, "x" * 1001))
    said = await refusal(_follow(alice, feed, alice))
    assert "a chain need not follow itself" in said
