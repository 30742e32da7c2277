"""``catenula validator list|query|query-block|batch-query``: reports in the reference's form.

The reports are the results and go to stdout; what is wrong is said on stderr too, and the exit
status is 1 when any validator fails a check.
"""

import json
from pathlib import Path
from typing import Any

import click

from catenula.base.codec import codec_of
from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.errors import DecodeError, LocalError
from catenula.base.identifiers import ChainId
from catenula.base.integers import BlockHeight
from catenula.cli.admin.nodes import PUBLIC_KEY, connect
from catenula.cli.command import Invocation, command
from catenula.cli.debug_text import named_block
from catenula.cli.errors import Absent, Failure
from catenula.cli.output import Output
from catenula.cli.parameters import CHAIN_ID, HEIGHT
from catenula.cli.session import Session
from catenula.client.administration.batches import QueriedValidator, parse_query_batch
from catenula.client.administration.reports import (
    ValidatorReport,
    query_local_node,
    query_validator,
)
from catenula.protocol import Block

_CHAIN = click.option("--chain-id", type=CHAIN_ID, help="The chain (default: the wallet's).")
_KEY = click.option(
    "--public-key", type=PUBLIC_KEY, help="The validator's key, to check its signature."
)


@command()
@_CHAIN
@click.option("--min-votes", type=click.IntRange(min=0), help="Only validators with these votes.")
def list_validators(
    invocation: Invocation, chain_id: ChainId | None, min_votes: int | None
) -> None:
    """Ask all validators of the committee about a chain.

    Of each validator only what differs from this wallet's own view is shown.
    """

    async def body(session: Session) -> None:
        chosen = await _beginning(session, chain_id, "Querying validators about chain {}.\n")
        local = await query_local_node(session.client, chosen)
        reports = await _query_committee(session, chosen, min_votes or 0)
        if session.output.as_json:
            data = {
                "chain_id": str(chosen),
                "local": local.to_json(),
                "validators": [report.to_json() for report in reports],
            }
            session.output.result(data)
        else:
            click.echo("Local Node:")
            _print(local)
            for report in reports:
                _print(report, local)
        _finish_list(session.output, [report for report in reports if report.errors()])

    invocation.run(body)


async def _beginning(session: Session, chain_id: ChainId | None, line: str) -> ChainId:
    chain = await session.chain(chain_id)
    if not session.output.as_json:
        click.echo(line.format(chain.chain_id))
    return chain.chain_id


async def _query_committee(
    session: Session, chain_id: ChainId, min_votes: int
) -> list[ValidatorReport]:
    chain = await session.chain(chain_id)
    committee = chain.state().current_committee()
    reports = []
    with session.progress("asking the validators") as progress:
        asked = [item for item in committee.validators.items() if item[1].votes >= min_votes]
        for number, (key, state) in enumerate(asked):
            progress.update(f"asking {state.network_address}")
            progress.told("validators", number, len(asked))
            node = connect(session, state.network_address, key)
            reports.append(
                await query_validator(
                    session.client, node, chain_id, public_key=key, weight=int(state.votes)
                )
            )
    return reports


def _print(report: ValidatorReport, reference: ValidatorReport | None = None) -> None:
    for line in report.lines(reference):
        click.echo(line)


def _finish_list(output: Output, faulty: list[ValidatorReport]) -> None:
    if not faulty:
        return
    if not output.as_json:
        click.echo("\nFaulty validators:")
        for report in faulty:
            count = len(report.errors())
            click.echo(f"  {report.public_key} at {report.address}: {count} error(s)")
    _warn(output, faulty)
    raise Failure(f"{len(faulty)} validator(s) failed a check; see the report")


def _warn(output: Output, reports: list[ValidatorReport]) -> None:
    for report in reports:
        for error in report.errors():
            output.warn(f"{report.address}: {error}")


@command()
@click.argument("address")
@_CHAIN
@_KEY
def query(
    invocation: Invocation,
    address: str,
    chain_id: ChainId | None,
    public_key: Secp256k1PublicKey | None,
) -> None:
    """Ask the validator at ADDRESS (grpc:host:port) about a chain."""

    async def body(session: Session) -> None:
        node = connect(session, address, public_key)
        chosen = await _beginning(session, chain_id, "Querying validator about chain {}.\n")
        if public_key is None:
            session.output.warn("without --public-key the validator's signature is not checked")
        report = await query_validator(session.client, node, chosen, public_key=public_key)
        _show(session.output, report)
        if report.errors():
            _warn(session.output, [report])
            raise Failure(f"The validator at {address} failed a check; see the report")

    invocation.run(body)


def _show(output: Output, report: ValidatorReport) -> None:
    if output.as_json:
        output.result(report.to_json())
    else:
        _print(report)


@command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_CHAIN
def batch_query(invocation: Invocation, file: Path, chain_id: ChainId | None) -> None:
    """Ask the validators that FILE lists about a chain.

    FILE is JSON: {"validators": [{"publicKey", "accountKey", "networkAddress", "votes"}]}.
    """
    batch = _read_batch(file)

    async def body(session: Session) -> None:
        line = f"Querying {len(batch)} validators about chain {{}}.\n"
        chosen = await _beginning(session, chain_id, line)
        reports = []
        for member in batch:
            node = connect(session, member.address, member.public_key)
            report = await query_validator(
                session.client, node, chosen, public_key=member.public_key
            )
            reports.append(report)
            if not session.output.as_json:
                _print(report)
        if session.output.as_json:
            session.output.result([report.to_json() for report in reports])
        faulty = [report for report in reports if report.errors()]
        if faulty:
            _warn(session.output, faulty)
            raise Failure(f"{len(faulty)} validator(s) failed a check; see the report")

    invocation.run(body)


def _read_batch(file: Path) -> list[QueriedValidator]:
    try:
        return parse_query_batch(json.loads(file.read_text()))
    except (ValueError, OSError, DecodeError) as error:
        raise LocalError(
            f"{file} is not a list of validators to query; its form is "
            '{"validators": [{"publicKey", "accountKey", "networkAddress", "votes"}]}',
            retryable=False,
        ) from error


@command()
@click.argument("address")
@_CHAIN
@_KEY
@click.option("--height", type=HEIGHT, required=True, help="The block's height.")
def query_block(
    invocation: Invocation,
    address: str,
    chain_id: ChainId | None,
    public_key: Secp256k1PublicKey | None,
    height: BlockHeight,
) -> None:
    """Fetch one block from the validator at ADDRESS."""

    async def body(session: Session) -> None:
        node = connect(session, address, public_key)
        line = f"Querying validator about the certificate for height {height} on the chain {{}}.\n"
        chosen = await _beginning(session, chain_id, line)
        certificates = await node.download_certificates_by_heights(chosen, (height,))
        if not certificates:
            raise Absent(f"The validator at {address} has no block {height} of chain {chosen}.")
        block = certificates[0].block
        session.output.result(_block_json(block), named_block(block))

    invocation.run(body)


def _block_json(block: Block) -> dict[str, Any]:
    return {"hash": str(block.hash), "block": codec_of(Block).to_json(block)}
