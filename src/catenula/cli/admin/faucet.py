"""``catenula faucet``: give a chain to everybody who asks, until interrupted (spec 08 §3)."""

from pathlib import Path
from typing import Any

import click

from catenula.base.identifiers import ChainId
from catenula.base.integers import Amount, Timestamp
from catenula.cli.admin.port_options import port_options
from catenula.cli.admin.signals import stop_signal
from catenula.cli.command import Invocation, command
from catenula.cli.parameters import AMOUNT, CHAIN_ID, TIMESTAMP
from catenula.cli.session import Session
from catenula.cli.settings import listener_options


@command()
@click.argument("chain_id", type=CHAIN_ID, required=False)
@port_options(host="0.0.0.0")
@click.option("--amount", type=AMOUNT, required=True, help="Tokens of each new chain.")
@click.option(
    "--daily-claim-amount",
    type=AMOUNT,
    default="0",
    show_default=True,
    help="Tokens that an owner may take per day; 0 for none.",
)
@click.option(
    "--limit-rate-until", type=TIMESTAMP, help="Give so slowly that tokens last until then."
)
@click.option(
    "--storage-path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file that says who has got what.",
)
@click.option(
    "--max-batch-size",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Claims per block.",
)
def faucet(
    invocation: Invocation,
    chain_id: ChainId | None,
    port: int,
    host: str,
    metrics_port: int | None,
    amount: Amount,
    daily_claim_amount: Amount,
    limit_rate_until: Timestamp | None,
    storage_path: Path,
    max_batch_size: int,
) -> None:
    """Run a faucet that gives from CHAIN_ID (default: the wallet's default chain)."""
    from catenula.services.faucet import FaucetOptions

    options = FaucetOptions(
        amount,
        storage_path,
        host,
        port,
        daily_claim_amount,
        limit_rate_until,
        max_batch_size,
        metrics_port,
        listener=listener_options(invocation.options),
    )
    invocation.run(lambda session: _serve(session, chain_id, options), serves=True)


async def _serve(session: Session, chain_id: ChainId | None, options: Any) -> None:
    from catenula.services.faucet import Faucet, start_faucet

    stop = stop_signal()
    chain = await session.chain(chain_id)
    genesis = session.wallet.content.genesis()
    server = await start_faucet(
        Faucet(session.client, chain.chain_id, genesis=genesis, options=options)
    )
    try:
        url = f"http://localhost:{server.port}"
        session.output.result({"url": url, "chain_id": str(chain.chain_id)})
        click.echo(f"faucet     {url}  (a page to claim a chain: /claim)", err=True)
        click.echo(f"gives from {chain.chain_id}\nPress ^C to stop it.", err=True)
        await stop.wait()
    finally:
        await server.close()
