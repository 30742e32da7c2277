"""``catenula keygen`` and ``assign``: keys and the chains they propose on."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

from catenula.base.errors import LocalError
from catenula.base.identifiers import AccountOwner, ChainId
from catenula.cli.command import Invocation, command
from catenula.cli.parameters import CHAIN_ID, OWNER
from catenula.cli.settings import places_of
from catenula.client.files.keystore_json import KeyStoreFile

if TYPE_CHECKING:
    from catenula.cli.session import Session


@command()
def keygen(invocation: Invocation) -> None:
    """Make a key and print its owner."""
    keys = KeyStoreFile.read(places_of(invocation.options).keystore)
    owner = str(keys.generate(secrets.token_bytes))
    invocation.output.result({"owner": owner}, owner)


@command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
def import_keys(invocation: Invocation, path: Path) -> None:
    """Take in the keys of the key store at PATH, such as one made on a faucet's page."""
    keys = KeyStoreFile.read(places_of(invocation.options).keystore)
    other = KeyStoreFile.read(path)
    owners = other.owners()
    secret_keys = [other.key(owner) for owner in owners]
    for owner, secret in zip(owners, secret_keys, strict=True):
        if secret.owner() != owner:
            raise LocalError(
                f"the key of {owner} in {path} is the key of {secret.owner()}; nothing was taken "
                "in, get the file from where it was made once more",
                retryable=False,
            )
    for secret in secret_keys:
        keys.add(secret)
    texts = [str(owner) for owner in owners]
    invocation.output.result({"owners": texts}, "\n".join(texts))


@command()
@click.option("--owner", type=OWNER, required=True, help="Who shall propose on the chain.")
@click.option("--chain-id", type=CHAIN_ID, required=True, help="The chain.")
def assign(invocation: Invocation, owner: AccountOwner, chain_id: ChainId) -> None:
    """Take a chain into the wallet for one of its owners."""

    async def body(session: "Session") -> None:
        with session.progress("synchronizing"):
            await session.client.assign(owner, chain_id)
        session.set_owner(chain_id, owner)
        if not await session.keys.contains_key(owner):
            session.output.warn(f"the key of {owner} is not in {session.keys.path}")
        session.output.result({"chain_id": str(chain_id), "owner": str(owner)})

    invocation.run(body)
