"""``catenula validator add|update|remove``, ``revoke-epochs``, ``resource-control-policy``.

Each makes blocks on the admin chain, for which the wallet must have its owner.
"""

import json
import sys
from typing import Any, TextIO

import click

from catenula.base.crypto import AccountPublicKey, Secp256k1PublicKey
from catenula.base.errors import DecodeError, LocalError
from catenula.base.identifiers import ApplicationId
from catenula.base.integers import U32_MAX, U64, U64_MAX, Epoch
from catenula.cli.admin.nodes import ACCOUNT_KEY, PUBLIC_KEY, connect
from catenula.cli.admin.policy_options import policy_options, split_list
from catenula.cli.admin.recap import (
    CONFIRMED,
    DRY_RUN_NOTICE,
    QUESTION,
    WARNING,
    recap_lines,
)
from catenula.cli.chain.blocks import block_data, show_estimate
from catenula.cli.command import DRY_RUN, Invocation, command
from catenula.cli.parameters import Parsed
from catenula.cli.session import Session
from catenula.client.administration.batches import parse_changes
from catenula.client.administration.committees import (
    Changes,
    Edit,
    admin_chain,
    apply_changes,
    change_committee,
    first_block,
    plan_changes,
    removals_up_to,
    revoke_epochs,
    with_policy,
)
from catenula.client.administration.policy import (
    LIMIT_FIELDS,
    PRICE_FIELDS,
    edit_policy,
    policy_lines,
    policy_to_json,
)
from catenula.client.administration.reports import check_online
from catenula.client.chain_client import ChainClient
from catenula.protocol import ResourceControlPolicy, ValidatorState

_SKIP_CHECK = click.option(
    "--skip-online-check", is_flag=True, help="Do not ask the validators whether they are there."
)
_VOTES = click.IntRange(1, U64_MAX)


@command()
@click.option("--public-key", type=PUBLIC_KEY, required=True, help="The validator's key.")
@click.option("--account-key", type=ACCOUNT_KEY, required=True, help="Its account key.")
@click.option("--address", required=True, help="Where it is: grpc:host:port or grpcs:host:port.")
@click.option("--votes", type=_VOTES, default=1, show_default=True, help="Its weight.")
@_SKIP_CHECK
@DRY_RUN
def add(
    invocation: Invocation,
    public_key: Secp256k1PublicKey,
    account_key: AccountPublicKey,
    address: str,
    votes: int,
    skip_online_check: bool,
    dry_run: bool,
) -> None:
    """Add a validator to the committee, or change it if it is there."""
    changes = {public_key: ValidatorState(address, U64(votes), account_key)}

    async def body(session: Session) -> None:
        if not skip_online_check:
            await _check_online(session, changes)
        await _change(session, lambda now: apply_changes(now, changes), dry_run=dry_run)

    invocation.run(body)


@command()
@click.option("--public-key", type=PUBLIC_KEY, required=True, help="The validator's key.")
@DRY_RUN
def remove(invocation: Invocation, public_key: Secp256k1PublicKey, dry_run: bool) -> None:
    """Remove a validator from the committee."""

    async def body(session: Session) -> None:
        made = await _change(
            session, lambda now: apply_changes(now, {public_key: None}), dry_run=dry_run
        )
        if not made:
            session.output.warn(f"{public_key} is not in the committee; nothing was changed")

    invocation.run(body)


@command()
@click.argument("file", type=click.File("r"), default="-")
@click.option("--dry-run", is_flag=True, help="Show what would be changed, and change nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@_SKIP_CHECK
def update(
    invocation: Invocation, file: TextIO, dry_run: bool, yes: bool, skip_online_check: bool
) -> None:
    """Change many validators at once, as FILE says (or standard input).

    FILE is JSON: {PUBLIC_KEY: {"accountKey": {"Ed25519": HEX}, "address", "votes"} | null}.
    """
    changes = _read_changes(file)
    if not changes:
        invocation.output.warn("the file names no validator; nothing was changed")
        return

    async def body(session: Session) -> None:
        chain = await session.chain(session.client.admin_chain_id)
        plan = plan_changes(chain.state().current_committee(), changes)
        if session.output.as_json:
            if dry_run:
                session.output.result({"dry_run": True, **plan.to_json()})
                return
        else:
            _echo(recap_lines(plan))
            if dry_run:
                _echo(DRY_RUN_NOTICE)
                return
        if not yes and not _is_confirmed(session):
            return
        if not skip_online_check:
            await _check_online(session, changes)
        await _change(session, lambda now: apply_changes(now, changes), dry_run=False)

    invocation.run(body)


def _echo(lines: list[str]) -> None:
    for line in lines:
        click.echo(line)


def _read_changes(file: TextIO) -> Changes:
    try:
        return parse_changes(json.load(file))
    except (ValueError, DecodeError) as error:
        raise LocalError(
            f"{file.name} does not say how validators shall be; its form is "
            '{PUBLIC_KEY: {"accountKey": {"Ed25519": HEX}, "address": "grpc:host:port", '
            '"votes": N} or null}',
            retryable=False,
        ) from error


def _is_confirmed(session: Session) -> bool:
    """Ask for YES in the reference's words; with ``--json`` the question goes to stderr."""
    on_stderr = session.output.as_json
    for line in (*WARNING, QUESTION):
        click.echo(line, err=on_stderr)
    answer = sys.stdin.readline().strip()
    if answer != "YES":
        click.echo(f"\nOperation cancelled. (Expected 'YES', got '{answer}')", err=on_stderr)
        return False
    click.echo(CONFIRMED, err=on_stderr)
    return True


async def _check_online(session: Session, changes: Changes) -> None:
    nodes = [
        connect(session, state.network_address, key)
        for key, state in changes.items()
        if state is not None
    ]
    with session.progress("asking the validators whether they are there"):
        await check_online(session.client, nodes)


async def _change(session: Session, edit: Edit, *, dry_run: bool) -> bool:
    """Make the blocks; False when the edit changes nothing."""
    chain = await _admin(session)
    if dry_run:
        return await _estimate(session, chain, edit)
    with session.progress("starting a new epoch"):
        certificate = await change_committee(chain, edit)
    if certificate is not None:
        data = {"epoch": int(chain.state().epoch), **block_data(certificate)}
        session.output.result(data)
        session.output.note(f"epoch {chain.state().epoch} has begun")
    return certificate is not None


async def _admin(session: Session) -> ChainClient:
    await session.chain(session.client.admin_chain_id)
    with session.progress("synchronizing the admin chain"):
        return await admin_chain(session.client)


async def _estimate(session: Session, chain: ChainClient, edit: Edit) -> bool:
    block = first_block(chain, edit)
    if block is None:
        return False
    operations, blobs = block
    estimate = await chain.estimate(operations, blobs)
    show_estimate(session, chain, operations=operations, estimate=estimate)
    return True


def _epoch_parser() -> Any:
    from catenula.base.integers import parse_unsigned

    return lambda text: Epoch(parse_unsigned(text, U32_MAX))


_EPOCH = Parsed("epoch", _epoch_parser)


@command()
@click.argument("epoch", type=_EPOCH)
@DRY_RUN
def revoke(invocation: Invocation, epoch: Epoch, dry_run: bool) -> None:
    """Stop trusting the committees of all epochs up to EPOCH."""

    async def body(session: Session) -> None:
        chain = await _admin(session)
        if dry_run:
            operations = removals_up_to(chain, epoch)
            estimate = await chain.estimate(operations)
            show_estimate(session, chain, operations=operations, estimate=estimate)
            return
        with session.progress("revoking epochs"):
            certificate = await revoke_epochs(chain, epoch)
        session.output.result(block_data(certificate))

    invocation.run(body)


@command()
@policy_options(price_suffix="")
@DRY_RUN
def policy(
    invocation: Invocation,
    http_request_allow_list: str | None,
    free_application_ids: str | None,
    dry_run: bool,
    **fields: Any,
) -> None:
    """Show the prices and limits, or change those that are given.

    Without options nothing is changed and the present policy is shown.
    """
    changes = {name: value for name, value in fields.items() if value is not None}
    hosts = None if http_request_allow_list is None else split_list(http_request_allow_list)
    free = [ApplicationId.parse(text) for text in split_list(free_application_ids or "")]

    def wanted(current: ResourceControlPolicy) -> ResourceControlPolicy:
        return edit_policy(current, changes, allow_list=hosts, free_applications=free)

    async def body(session: Session) -> None:
        chain = await _admin(session)
        present = chain.state().current_committee().policy
        if wanted(present) == present:
            _show_policy(session, present)
            return
        await _change(session, lambda now: with_policy(now, wanted(now.policy)), dry_run=dry_run)
        _show_policy(session, wanted(present), only_people=True)

    invocation.run(body)


def _show_policy(
    session: Session, policy: ResourceControlPolicy, *, only_people: bool = False
) -> None:
    """The policy is no result of the reference's command: it goes to stderr, or to JSON."""
    if session.output.as_json:
        if not only_people:
            session.output.result({"policy": policy_to_json(policy)})
        return
    for line in policy_lines(policy):
        click.echo(line, err=True)


_POLICY_FIELDS = (*PRICE_FIELDS, *LIMIT_FIELDS)
