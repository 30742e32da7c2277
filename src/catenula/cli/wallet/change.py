"""``catenula wallet set-default``, ``follow-chain``, ``forget-keys``, ``forget-chain``."""

import click

from catenula.base.identifiers import ChainId
from catenula.cli.command import Invocation, command
from catenula.cli.errors import Absent
from catenula.cli.lazy import suggestion
from catenula.cli.parameters import CHAIN_ID
from catenula.cli.session import Session
from catenula.cli.settings import places_of
from catenula.client.files.wallet_json import ChainEntry, WalletFile

_CHAIN = click.argument("chain_id", type=CHAIN_ID)


def _wallet(invocation: Invocation) -> WalletFile:
    return WalletFile.read(places_of(invocation.options).wallet)


def existing_entry(wallet: WalletFile, chain_id: ChainId) -> ChainEntry:
    """The entry of a chain; `Absent` with suggestions when the wallet does not have it."""
    entry = wallet.content.entry(chain_id)
    if entry is None:
        close = suggestion(str(chain_id), wallet.content.chains)
        raise Absent(f"The wallet has no chain {chain_id}.{close}")
    return entry


@command()
@_CHAIN
def set_default(invocation: Invocation, chain_id: ChainId) -> None:
    """Choose the chain that commands use when none is named."""
    wallet = _wallet(invocation)
    existing_entry(wallet, chain_id)
    wallet.content = wallet.content.with_default(chain_id)
    wallet.save()
    invocation.output.result({"default": str(chain_id)})


@command()
@_CHAIN
@click.option("--sync", is_flag=True, help="Fetch the chain's blocks at once.")
def follow_chain(invocation: Invocation, chain_id: ChainId, sync: bool) -> None:
    """Take a chain into the wallet without an owner, to read it."""

    async def body(session: Session) -> None:
        with session.progress("looking for the chain"):
            if session.wallet.content.entry(chain_id) is None:
                await session.client.follow(chain_id)
                session.set_owner(chain_id, None)
            chain = await session.chain(chain_id)
            if sync:
                await chain.synchronize()
        session.output.result({"chain_id": str(chain_id)})

    invocation.run(body)


@command()
@_CHAIN
def forget_keys(invocation: Invocation, chain_id: ChainId) -> None:
    """Stop proposing on a chain but go on following it; the key stays in the key store."""
    wallet = _wallet(invocation)
    entry = existing_entry(wallet, chain_id)
    wallet.content = wallet.content.with_chain(chain_id, entry.with_owner(None))
    wallet.save()
    invocation.output.result({"chain_id": str(chain_id), "owner": None})


@command()
@_CHAIN
def forget_chain(invocation: Invocation, chain_id: ChainId) -> None:
    """Remove a chain from the wallet; its key stays in the key store."""
    wallet = _wallet(invocation)
    if wallet.content.entry(chain_id) is None:
        invocation.output.note(f"the wallet has no chain {chain_id}")
    wallet.content = wallet.content.without_chain(chain_id)
    wallet.save()
    invocation.output.result({"chain_id": str(chain_id)})
