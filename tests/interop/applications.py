"""The part of the scripted session that is about applications: our examples, as built modules.

Bytes of operations are written by hand, so that neither command line is asked what they should be.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from tests.interop.commands import Wallet
from tests.interop.session import CHAIN_ID, Claimed

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "applications"
MODULE_ID = re.compile(r"[0-9a-f]{130}")
LIMIT = 10
"""What the counter of no chain may exceed."""


def files_of(name: str) -> tuple[str, str]:
    """The contract and the service of an example."""
    folder = EXAMPLES / name
    return str(folder / f"{name}_contract.wasm"), str(folder / f"{name}_service.wasm")


def add(amount: int) -> str:
    """The counter's operation that counts on, in hex."""
    return (b"\x00" + amount.to_bytes(8, "little")).hex()


def move(amount: int, chain: str) -> str:
    """The counter's operation that moves a part to another chain, in hex."""
    return (b"\x01" + amount.to_bytes(8, "little")).hex() + chain


def post(text: str) -> str:
    """The feed's operation that posts a text of less than 128 bytes, in hex."""
    return (b"\x00" + bytes((len(text.encode()),)) + text.encode()).hex()


def follow(chain: str) -> str:
    """The feed's operation that follows the posts of another chain, in hex."""
    return "01" + chain


def execute(
    wallet: Wallet, application: str, operation: str, *, chain: str, exit_status: int = 0
) -> None:
    """One operation of an application on a chain."""
    wallet.run(
        *("execute-operation", "--application-id", application),
        *("--operation", operation, "--chain-id", chain),
        exit_status=exit_status,
    )


def create_counter(wallet: Wallet, *, limit: int, start: int) -> str:
    """Publish the counter on the default chain and create one; its id."""
    application = wallet.line(
        *("publish-and-create", *files_of("counter")),
        *("--json-parameters", json.dumps({"limit": limit}), "--json-argument", str(start)),
    )
    assert CHAIN_ID.fullmatch(application), application
    return application


def deploy(alice: Wallet, bob: Wallet, hers: Claimed) -> str:
    """The counter in two steps, described on both sides, and what must be refused; its id."""
    module = alice.line("publish-module", *files_of("counter"), hers.chain)
    assert MODULE_ID.fullmatch(module), module
    parameters = alice.write("parameters.json", json.dumps({"limit": LIMIT}).encode())
    created = ("create-application", module, hers.chain, "--json-parameters-path", parameters)
    counter = alice.line(*created, "--json-argument", "5")
    alice.run(*created, "--json-argument", str(LIMIT + 1), exit_status=1)
    alice.run("create-application", "zz", exit_status=2)
    alice.run("publish-module", "absent.wasm", "absent.wasm", exit_status=1)
    for wallet in (alice, bob):
        described = json.loads(wallet.run("describe-application", counter))
        assert described["module_id"] == module
        assert described["creator_chain_id"] == hers.chain
        assert bytes(described["parameters"]) == b'{"limit":10}'
    bob.run("describe-application", "ab" * 32, exit_status=1)
    return counter


def count(alice: Wallet, bob: Wallet, hers: Claimed, his: Claimed) -> None:
    """Operations, messages between chains, and a message that is refused and comes back.

    A counter refuses to pass its limit, which shows where it stands.
    """
    counter = deploy(alice, bob, hers)
    execute(alice, counter, add(6), chain=hers.chain, exit_status=1)
    execute(alice, counter, add(4), chain=hers.chain)
    execute(alice, counter, move(3, his.chain), chain=hers.chain)
    receive(bob, his.chain)
    execute(bob, counter, add(8), chain=his.chain, exit_status=1)
    execute(bob, counter, add(7), chain=his.chain)
    execute(alice, counter, move(1, his.chain), chain=hers.chain)
    receive(bob, his.chain)
    receive(alice, hers.chain)
    execute(alice, counter, add(5), chain=hers.chain, exit_status=1)
    execute(alice, counter, add(4), chain=hers.chain)


def receive(wallet: Wallet, chain: str) -> None:
    """Take in what waits for a chain."""
    wallet.run("sync", chain)
    wallet.run("process-inbox", chain)


def read_posts(alice: Wallet, bob: Wallet, hers: Claimed, his: Claimed) -> None:
    """A feed: posts are events, another chain follows them."""
    feed = alice.line("publish-and-create", *files_of("feed"), hers.chain)
    execute(bob, feed, follow(hers.chain), chain=his.chain)
    for text in ("one", "two"):
        execute(alice, feed, post(text), chain=hers.chain)
    receive(bob, his.chain)
    stream = f"User:{feed}:{b'posts'.hex()}"
    shown = alice.run("list-events-from-index", hers.chain, "--stream-id", stream)
    assert _numbered(shown) == [0, 1]
    from_one = ("--stream-id", stream, "--start-index", "1")
    shown = bob.run("list-events-from-index", hers.chain, *from_one)
    assert _numbered(shown) == [1]


def _numbered(shown: str) -> Sequence[int]:
    return [int(index) for index in re.findall(r"^ +index: (\d+),$", shown, re.MULTILINE)]
