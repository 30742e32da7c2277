"""Changes of the committee, and chains that lag several epochs behind."""

import pytest

from catenula.base.crypto import AccountSecretKey, SignatureScheme, ValidatorSecretKey
from catenula.base.errors import DecodeError
from catenula.base.integers import U64, Epoch, tokens
from catenula.client import InMemorySigner
from catenula.client.administration.batches import parse_changes
from catenula.client.administration.committees import (
    admin_chain,
    apply_changes,
    change_committee,
    plan_changes,
    revoke_epochs,
    with_policy,
)
from catenula.client.administration.compare import compare_views
from catenula.client.administration.policy import edit_policy
from catenula.client.administration.push import push_chains, remote_node
from catenula.client.chain_client import ChainClient
from catenula.client.client import Client
from catenula.client.errors import BlockRefused
from catenula.protocol import Account, ValidatorState
from catenula.testing.keys import predictable_bytes
from tests.client.world import World, asynchronous, committed


def _stranger(name: str) -> tuple[ValidatorSecretKey, ValidatorState]:
    random = predictable_bytes(name)
    secret = ValidatorSecretKey.generate(random)
    account = AccountSecretKey.generate(SignatureScheme.ED25519, random).public_key()
    return secret, ValidatorState("grpc:stranger:1", U64(1), account)


async def _admin(world: World) -> tuple[Client, ChainClient]:
    client = world.client(signer=InMemorySigner([world.root_key]))
    await client.assign(world.root_key.owner(), world.root)
    return client, await admin_chain(client)


async def _reprice(chain: ChainClient, price: int) -> None:
    await change_committee(
        chain,
        lambda current: with_policy(
            current, edit_policy(current.policy, {"operation": tokens(price)})
        ),
    )


def test_changes_are_read_and_sorted() -> None:
    world = World()
    committee = world.network.genesis.committee
    known, other = list(committee.validators)[:2]
    secret, state = _stranger("new")
    changes = parse_changes(
        {
            str(secret.public_key()): {
                "accountKey": {"Ed25519": str(state.account_public_key.key)},
                "address": "grpc:stranger:1",
            },
            str(known): {
                "accountKey": {"Ed25519": str(state.account_public_key.key)},
                "address": "grpc:moved:1",
                "votes": 7,
            },
            str(other): None,
        }
    )
    plan = plan_changes(committee, changes)
    assert [key for key, _ in plan.additions] == [secret.public_key()]
    assert [(key, found.votes) for key, found in plan.modifications] == [(known, 7)]
    assert plan.removals == (other,)
    after = apply_changes(committee, changes)
    assert after is not None
    assert after.weight(secret.public_key()) == 1
    assert after.weight(known) == 7
    assert after.weight(other) == 0


@pytest.mark.parametrize(
    "data",
    [
        [],
        {"00": None},
        {"02" * 33: 1},
        {"03" + "11" * 32: {"address": "grpc:a:1"}},
        {"03" + "11" * 32: {"address": "grpc:a:1", "accountKey": "00" * 33}},
        {"03" + "11" * 32: {"address": 1, "accountKey": {"Ed25519": "00" * 32}}},
        {"03" + "11" * 32: {"address": "grpc:a:1", "accountKey": {}, "votes": 0}},
    ],
)
def test_a_batch_of_another_form_is_refused(data: object) -> None:
    with pytest.raises(DecodeError):
        parse_changes(data)


def test_removing_only_strangers_changes_nothing() -> None:
    committee = World().network.genesis.committee
    assert apply_changes(committee, {_stranger("x")[0].public_key(): None}) is None


@asynchronous
async def test_prices_change_with_a_new_epoch_and_lagging_chains_follow() -> None:
    world = World()
    user = await world.user(1)
    _, chain = await _admin(world)
    for price in (0, 0, 0):
        before = chain.state().epoch
        await _reprice(chain, price + before + 1)
        assert chain.state().epoch == before + 1
    await _reprice(chain, 0)
    assert chain.state().epoch == 4
    # The user's chain is four epochs behind; one command takes it through all of them.
    await user.synchronize()
    committed(await user.transfer(Account.chain(world.root), "1"))
    assert user.state().epoch == 4


@asynchronous
async def test_an_unchanged_policy_makes_no_block() -> None:
    world = World()
    _, chain = await _admin(world)
    height = chain.state().next_block_height
    assert await change_committee(chain, lambda now: with_policy(now, now.policy)) is None
    assert chain.state().next_block_height == height


@asynchronous
async def test_epochs_are_revoked_up_to_the_current_one() -> None:
    world = World()
    _, chain = await _admin(world)
    await _reprice(chain, 0 + 1)
    await _reprice(chain, 0)
    with pytest.raises(BlockRefused, match="Cannot revoke the current epoch 2"):
        await revoke_epochs(chain, Epoch(2))
    await revoke_epochs(chain, Epoch(1))
    assert sorted(chain.state().execution.system.committees.get()) == [2]
    with pytest.raises(BlockRefused, match="already revoked"):
        await revoke_epochs(chain, Epoch(0))


@asynchronous
async def test_a_validator_that_missed_everything_gets_the_chains() -> None:
    world = World()
    client, chain = await _admin(world)
    late = world.network.validators[3]
    await late.stop()
    await chain.publish_data_blob(b"missed")
    await _reprice(chain, 1)
    await _reprice(chain, 0)
    await world.settled()
    late.start()
    node = world.connect(late.keys.consensus.public_key(), "")
    await push_chains(client, remote_node(client, node), client.wallet.chain_ids())
    assert late.chain(world.root).next_block_height == chain.state().next_block_height


@asynchronous
async def test_a_comparison_names_the_validator_that_differs() -> None:
    world = World()
    client, chain = await _admin(world)
    same = await compare_views(client, world.root, client.context.nodes())
    assert same.differences() == []
    late = world.network.validators[3]
    await late.stop()
    await chain.publish_data_blob(b"missed")
    await world.settled()
    late.start()
    found = await compare_views(client, world.root, client.context.nodes())
    address = (
        client.context.committees.current()
        .validators[late.keys.consensus.public_key()]
        .network_address
    )
    assert (address, "next height") in found.differences()
    assert {name for name, _ in found.differences()} == {address}
    await world.network.validators[0].stop()
    silent = await compare_views(client, world.root, client.context.nodes())
    assert [row for _, row in silent.differences()].count("error") == 1
