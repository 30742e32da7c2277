"""``catenula validator sync``: give a validator what it lacks of the wallet's chains."""

import click

from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.identifiers import ChainId
from catenula.cli.admin.nodes import PUBLIC_KEY, connect
from catenula.cli.command import Invocation, command
from catenula.cli.parameters import CHAIN_ID
from catenula.cli.session import Session
from catenula.client.administration.push import push_chains, remote_node
from catenula.client.administration.reports import check_online


@command()
@click.argument("address")
@click.option("--chains", type=CHAIN_ID, multiple=True, help="Only this chain; may be repeated.")
@click.option(
    "--check-online",
    "check_online_first",
    is_flag=True,
    help="First ask the validator whether it is there.",
)
@click.option("--public-key", type=PUBLIC_KEY, help="Its key, if it is not in the committee.")
def sync(
    invocation: Invocation,
    address: str,
    chains: tuple[ChainId, ...],
    check_online_first: bool,
    public_key: Secp256k1PublicKey | None,
) -> None:
    """Send the blocks of this wallet's chains to the validator at ADDRESS."""

    async def body(session: Session) -> None:
        node = connect(session, address, public_key)
        if check_online_first:
            await check_online(session.client, (node,))
        chosen = chains or tuple(session.wallet.content.chain_ids())
        remote = remote_node(session.client, node, public_key)
        with session.progress(f"sending {len(chosen)} chains to {address}"):
            await push_chains(session.client, remote, chosen)
        session.output.result({"address": address, "chains": [str(chain) for chain in chosen]})

    invocation.run(body)
