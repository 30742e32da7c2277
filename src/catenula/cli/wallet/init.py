"""``catenula wallet init`` and ``export-genesis``: a wallet for a network, and the way back."""

from pathlib import Path

import click

from catenula.base.errors import LocalError
from catenula.cli.command import Invocation, command
from catenula.cli.settings import places_of
from catenula.client.files.atomic import PUBLIC_MODE, write_atomically
from catenula.client.files.genesis_json import genesis_text, read_genesis
from catenula.client.files.keystore_json import KeyStoreFile
from catenula.client.files.wallet_json import WalletFile
from catenula.storage.location import open_location, parse_location

_PATH = click.Path(path_type=Path, dir_okay=False)


@command()
@click.option("--genesis", type=_PATH, help="The genesis file of the network.")
@click.option("--faucet", metavar="URL", help="A faucet of the network, which has its genesis.")
@click.option(
    "--testing-prng-seed", type=int, help="Make keys that can be foretold: for tests only."
)
def init(
    invocation: Invocation,
    genesis: Path | None,
    faucet: str | None,
    testing_prng_seed: int | None,
) -> None:
    """Make a wallet without chains for a network."""
    if (genesis is None) == (faucet is None):
        raise LocalError("give either --genesis or --faucet, and not both", retryable=False)
    if genesis is None:
        raise LocalError("a wallet from a faucet", retryable=False)
    _, text = read_genesis(genesis)
    _create(invocation, text, seed=testing_prng_seed)


def _create(invocation: Invocation, genesis: bytes, *, seed: int | None) -> None:
    """Storage, key store, wallet: in this order, so that a wallet is there only when all is."""
    from catenula.client.files.genesis_json import parse_genesis
    from catenula.storage.shared import SharedStore
    from catenula.worker import initialize_store

    places = places_of(invocation.options)
    if places.wallet.exists() and places.wallet.stat().st_size:
        raise LocalError(
            f"the wallet {places.wallet} exists already; remove it, or name another one with "
            "--wallet",
            retryable=False,
        )
    location = parse_location(places.storage)
    with open_location(location) as store:
        initialize_store(SharedStore(store), parse_genesis(genesis, "the genesis"))
    if not places.keystore.exists() or not places.keystore.stat().st_size:
        KeyStoreFile.create(places.keystore, seed)
    WalletFile.create(places.wallet, genesis)
    invocation.output.result({"wallet": str(places.wallet)})


@command()
@click.argument("output", type=_PATH)
@click.option("--faucet", metavar="URL", help="Fetch it from a faucet, not from the wallet.")
def export_genesis(invocation: Invocation, output: Path, faucet: str | None) -> None:
    """Write the genesis configuration of the wallet's network to OUTPUT."""
    if faucet is not None:
        raise LocalError("a genesis from a faucet", retryable=False)
    content = WalletFile.read(places_of(invocation.options).wallet).content
    write_atomically(output, genesis_text(content.genesis()), mode=PUBLIC_MODE)
    invocation.output.result({"path": str(output)})
