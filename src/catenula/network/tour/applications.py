"""The part of the tour about applications: Wasm programs of `examples/applications`.

Operations are made by the applications' own services, as a web page would have them made.
"""

import json
from collections.abc import Mapping
from typing import Any

from catenula.base.identifiers import AccountOwner, ApplicationId, ChainId, CryptoHash
from catenula.base.integers import MICROSECONDS_PER_SECOND
from catenula.network.chain import NetworkChain
from catenula.network.embedded_validator import EmbeddedValidator
from catenula.network.example_applications import example_module
from catenula.network.inspection import tip_on
from catenula.network.tour.stage import Stage, block_on
from catenula.network.wallet import NetworkWallet
from catenula.protocol import (
    ApplicationPermissions,
    BlobId,
    BlobType,
    ChainOwnership,
    ExecuteOperation,
    MessageAction,
    Transaction,
)

OAK, ELM = "OAK", "ELM"
TIME_TO_PAY_US = 24 * 3600 * MICROSECONDS_PER_SECOND


async def publish_a_token(stage: Stage) -> None:
    """A module in Rust, an application made from it, and its first holder."""
    alice = stage.alice
    oak = await _create_token(stage, alice, OAK, 1_000)
    description = await alice.chain.describe_application(oak)
    bytecode = description.module_id.bytecode_blob_ids()
    await stage.on_validators(
        "hold contract, service and description",
        lambda item: _known_blobs(item, oak, bytecode),
        expected=3,
    )
    stage.equal("the token is called", (await _ask(alice.chain, oak, "{ ticker }"))["ticker"], OAK)
    stage.equal("alice holds", await _balance(alice.chain, oak, alice.owner), "1000.")


async def send_tokens(stage: Stage) -> None:
    """Tokens travel in messages, and the application goes where it is needed."""
    alice, bob, carol = stage.alice, stage.bob, stage.carol
    oak = stage.applications[OAK]
    await _send(alice, oak, 300, to=bob)
    await bob.chain.receive()
    stage.equal("bob, on his chain, holds", await _balance(bob.chain, oak, bob.owner), "300.")
    await _send(bob, oak, 120, to=carol)
    await carol.chain.receive()
    stage.equal("carol holds", await _balance(carol.chain, oak, carol.owner), "120.")
    stage.equal("bob holds", await _balance(bob.chain, oak, bob.owner), "180.")
    stage.equal("alice holds", await _balance(alice.chain, oak, alice.owner), "700.")
    await stage.refused(
        "carol cannot send more than she has", _send(carol, oak, 121, to=bob), "BlockRefused"
    )


async def swap_tokens(stage: Stage) -> None:
    """Two owners, two tokens, one temporary chain that only the swap and the tokens may use."""
    alice, bob = stage.alice, stage.bob
    oak, elm = stage.applications[OAK], await _create_token(stage, bob, ELM, 50)
    swap = await alice.chain.publish_and_create(
        *example_module("swap"),
        parameters=_json(
            {
                "first": _side(alice, oak, 200),
                "second": _side(bob, elm, 40),
                "deadline": stage.network.embedded.clock.now() + TIME_TO_PAY_US,
            }
        ),
    )
    table, bobs_view = await _set_the_table(stage, swap, oak, elm)
    await _send(alice, oak, 200, to=table, owner=swap.owner())
    await table.receive()
    await stage.refused(
        "while bob's tokens are missing nothing is exchanged",
        table.query_and_execute(swap, _graphql("mutation { exchange }")),
        "BlockRefused",
    )
    await stage.refused(
        "until the deadline alice leaves hers where they are",
        table.query_and_execute(swap, _graphql("mutation { refund }")),
        "BlockRefused",
    )
    await _send(bob, elm, 40, to=table, owner=swap.owner())
    await bobs_view.receive()
    await bobs_view.query_and_execute(swap, _graphql("mutation { exchange }"))
    await alice.chain.receive()
    await bob.chain.receive()
    stage.equal("alice holds in elm", await _balance(alice.chain, elm, alice.owner), "40.")
    stage.equal("bob holds in oak", await _balance(bob.chain, oak, bob.owner), "380.")
    await stage.on_validators(
        "the application has closed the chain", lambda item: _is_closed(item, table.id), True
    )


async def compose_applications(stage: Stage) -> None:
    """The exchange was one operation: the swap called both tokens, or nothing had happened."""
    table = stage.chains["table"]
    await stage.network.settled()
    certificate = block_on(stage.running[0], table)
    body = None if certificate is None else certificate.block.body
    operations = [each for each in (body.transactions if body else ()) if _is_operation(each)]
    stage.equal("operations in the block of the exchange", len(operations), 1)
    messages = [message for sent in (body.messages if body else ()) for message in sent]
    senders = {getattr(message.message, "application_id", None) for message in messages}
    expected = {stage.applications[OAK], stage.applications[ELM]}
    stage.claim(
        "both tokens were sent by it", senders == expected, f"{len(messages)} messages in one block"
    )


async def bounce_a_message(stage: Stage) -> None:
    """An application that panics: its message is rejected and comes home."""
    alice, bob = stage.alice.chain, stage.bob.chain
    counter = await alice.publish_and_create(
        *example_module("counter"), parameters=_json({"limit": 10}), argument=_json(8)
    )
    await bob.query_and_execute(counter, _graphql("mutation { add(amount: 5) }"))
    move = f'mutation {{ moveTo(amount: 6, chainId: "{bob.id}") }}'
    await alice.query_and_execute(counter, _graphql(move))
    stage.equal("alice counts, without what is on its way,", await _count(alice, counter), 2)
    receipts = await bob.receive()
    taken = [bundle for receipt in receipts for bundle in receipt.received]
    stage.equal(
        "bob's contract panics, and he rejects",
        [bundle.action for bundle in taken],
        [MessageAction.REJECT],
    )
    stage.equal("bob counts, as before,", await _count(bob, counter), 5)
    await alice.receive()
    stage.equal("alice, who has it back, counts", await _count(alice, counter), 8)


async def follow_a_feed(stage: Stage) -> None:
    """Posts are events of alice's chain; whoever follows her has them in a timeline."""
    alice, bob = stage.alice.chain, stage.bob.chain
    feed = await alice.publish_and_create(*example_module("feed"))
    await _post(alice, feed, "Hello, chain.")
    await bob.query_and_execute(feed, _graphql(f'mutation {{ follow(chainId: "{alice.id}") }}'))
    await _post(alice, feed, "A second block.")
    await _post(alice, feed, "And a third.")
    await stage.network.settled()
    await bob.synchronize()
    await bob.process_inbox()
    timeline = (await _ask(bob, feed, "{ timeline { index post { text } } }"))["timeline"]
    stage.equal(
        "bob reads, newest first,",
        [entry["post"]["text"] for entry in timeline],
        ["And a third.", "A second block.", "Hello, chain."],
    )
    await stage.on_validators(
        "bob's chain is at the same block",
        lambda item: tip_on(item, bob.id)[0],
        await bob.height(),
    )


# What people do


async def _create_token(
    stage: Stage, wallet: NetworkWallet, ticker: str, amount: int
) -> ApplicationId:
    created = await wallet.chain.publish_and_create(
        *example_module("token"),
        parameters=_json({"ticker": ticker}),
        argument=_json({"accounts": {str(wallet.owner): f"{amount}."}}),
    )
    stage.applications[ticker] = created
    return created


async def _send(
    wallet: NetworkWallet,
    token: ApplicationId,
    amount: int,
    *,
    to: NetworkWallet | NetworkChain,
    owner: AccountOwner | None = None,
) -> None:
    chain = to.chain if isinstance(to, NetworkWallet) else to
    recipient = owner or chain.wallet.owner
    query = (
        "mutation ($from: AccountOwner!, $amount: Amount!, $to: Account!)"
        " { transfer(owner: $from, amount: $amount, to: $to) }"
    )
    variables = {
        "from": str(wallet.owner),
        "amount": f"{amount}.",
        "to": {"chain_id": str(chain.id), "owner": str(recipient)},
    }
    await wallet.chain.query_and_execute(token, _graphql(query, variables))


async def _set_the_table(
    stage: Stage, swap: ApplicationId, *tokens: ApplicationId
) -> tuple[NetworkChain, NetworkChain]:
    """The temporary chain, as alice and as bob use it."""
    alice, bob = stage.alice, stage.bob
    description, _ = await alice.chain.open_chain(
        ChainOwnership.multiple((alice.owner, bob.owner)),
        permissions=ApplicationPermissions(execute_operations=(swap, *tokens), close_chain=(swap,)),
    )
    table = stage.chains["table"] = description.chain_id
    alices_view, bobs_view = await alice.take(table), await bob.take(table)
    await stage.refused(
        "no native token leaves the temporary chain",
        alices_view.transfer(alice.chain, 1),
        "BlockRefused",
    )
    return alices_view, bobs_view


async def _post(chain: NetworkChain, feed: ApplicationId, text: str) -> None:
    query = "mutation ($text: String!) { post(text: $text) }"
    await chain.query_and_execute(feed, _graphql(query, {"text": text}))


# What they see


async def _ask(chain: NetworkChain, application: ApplicationId, query: str) -> dict[str, Any]:
    answer = json.loads((await chain.query(application, _graphql(query))).response)
    data: dict[str, Any] = answer["data"]
    return data


async def _balance(chain: NetworkChain, token: ApplicationId, owner: AccountOwner) -> str:
    answer: str = (await _ask(chain, token, f'{{ balance(owner: "{owner}") }}'))["balance"]
    return answer


async def _count(chain: NetworkChain, counter: ApplicationId) -> int:
    value: int = (await _ask(chain, counter, "{ value }"))["value"]
    return value


def _known_blobs(
    validator: EmbeddedValidator, application: ApplicationId, bytecode: tuple[BlobId, ...]
) -> int:
    if validator.driver is None:
        return 0
    shared = validator.driver.worker.shared
    description = BlobId(CryptoHash(application), BlobType.APPLICATION_DESCRIPTION)
    return sum(shared.has_blob(blob_id) for blob_id in (description, *bytecode))


def _is_operation(transaction: Transaction) -> bool:
    return isinstance(transaction, ExecuteOperation)


def _is_closed(validator: EmbeddedValidator, chain_id: ChainId) -> bool:
    return validator.chain(chain_id).execution.system.closed.get()


def _side(wallet: NetworkWallet, token: ApplicationId, amount: int) -> dict[str, Any]:
    home = {"chain_id": str(wallet.chain.id), "owner": str(wallet.owner)}
    return {"home": home, "token": str(token), "amount": f"{amount}."}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _graphql(query: str, variables: Mapping[str, object] | None = None) -> bytes:
    return _json({"query": query, "variables": variables or {}})
