"""``catenula create-genesis-config``: a genesis file and the wallet of its administrator."""

import secrets
from pathlib import Path
from typing import Any

import click

from catenula.base.identifiers import ApplicationId
from catenula.base.integers import U32_MAX, U64, U64_MAX, Amount, Timestamp
from catenula.cli.admin.policy_options import policy_options, split_list
from catenula.cli.command import Invocation, command
from catenula.cli.parameters import AMOUNT, TIMESTAMP
from catenula.cli.settings import places_of

POLICIES = click.Choice(["no-fees", "testnet"])

_PATH = click.Path(path_type=Path, dir_okay=False)


@command()
@click.argument("other_chains", metavar="NUM_OTHER_INITIAL_CHAINS", type=click.IntRange(0, U32_MAX))
@click.option("--committee", type=_PATH, required=True, help="The file with the validators.")
@click.option("--genesis", type=_PATH, required=True, help="The genesis file to be written.")
@click.option(
    "--initial-funding", type=AMOUNT, default="0", show_default=True, help="Tokens of each chain."
)
@click.option("--start-timestamp", type=TIMESTAMP, help="No block is older (default: now).")
@click.option(
    "--policy-config",
    type=POLICIES,
    default="no-fees",
    show_default=True,
    help="Prices and limits to begin with.",
)
@policy_options(price_suffix="-price")
@click.option(
    "--testing-prng-seed",
    type=click.IntRange(0, U64_MAX),
    help="Make keys that can be foretold: for tests only.",
)
@click.option("--network-name", help="The network's name (default: from its start time).")
def create_genesis_config(
    invocation: Invocation,
    other_chains: int,
    committee: Path,
    genesis: Path,
    initial_funding: Amount,
    start_timestamp: Timestamp | None,
    policy_config: str,
    http_request_allow_list: str | None,
    free_application_ids: str | None,
    testing_prng_seed: int | None,
    network_name: str | None,
    **fields: Any,
) -> None:
    """Make the genesis of a network and the wallet that owns its first chains.

    The admin chain and NUM_OTHER_INITIAL_CHAINS more are made, each with a key of its own.
    """
    from catenula.client.administration.policy import edit_policy
    from catenula.client.files.genesis_json import read_committee, write_genesis
    from catenula.network.admin_wallet import write_admin_wallet
    from catenula.network.genesis import (
        GenesisPlan,
        default_network_name,
        make_genesis,
        make_root_keys,
    )
    from catenula.validator.clock import SystemClock

    members = read_committee(committee)
    plan_time = start_timestamp if start_timestamp is not None else SystemClock().now()
    plan = GenesisPlan(
        other_chains=other_chains,
        balance=initial_funding,
        policy=edit_policy(
            policy_named(policy_config),
            {name: value for name, value in fields.items() if value is not None},
            allow_list=None
            if http_request_allow_list is None
            else split_list(http_request_allow_list),
            free_applications=map(ApplicationId.parse, split_list(free_application_ids or "")),
        ),
        timestamp=plan_time,
        name=network_name or default_network_name(plan_time),
    )
    keys = make_root_keys(1 + other_chains, secrets.token_bytes, testing_prng_seed)
    config = make_genesis(_states(members), plan, keys.keys)
    places = places_of(invocation.options)
    write_admin_wallet(config, keys, wallet_path=places.wallet, keystore_path=places.keystore)
    write_genesis(genesis, config)
    invocation.output.result(
        {
            "genesis": str(genesis),
            "wallet": str(places.wallet),
            "admin_chain": str(config.admin_chain_id),
            "chains": [str(chain.chain_id) for chain in config.chains],
        }
    )


def policy_named(name: str) -> Any:
    """The policy of ``--policy-config``."""
    from catenula.protocol import NO_FEES, TESTNET

    return {"no-fees": NO_FEES, "testnet": TESTNET}[name]


def _states(members: Any) -> Any:
    from catenula.network.configuration import VOTES_PER_VALIDATOR
    from catenula.protocol import ValidatorState

    return {
        member.public_key: ValidatorState(
            member.address, U64(VOTES_PER_VALIDATOR), member.account_key
        )
        for member in members
    }
