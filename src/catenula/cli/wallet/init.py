"""``catenula wallet init``, ``request-chain``, ``export-genesis``: a wallet and its network."""

from pathlib import Path

import click

from catenula.base.errors import LocalError, ProtocolError
from catenula.cli.command import Invocation, command
from catenula.cli.output import Output
from catenula.cli.session import Session
from catenula.cli.settings import Places, places_of
from catenula.client.files.atomic import PUBLIC_MODE, write_atomically
from catenula.client.files.genesis_json import genesis_text, parse_genesis, read_genesis
from catenula.client.files.keystore_json import KeyStoreFile
from catenula.client.files.wallet_json import WalletFile
from catenula.client.foreign import check_same_network, own_network
from catenula.client.synchronize import synchronize_admin_chain
from catenula.protocol import GenesisConfig, VersionInfo
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
    places = places_of(invocation.options)
    _refuse_existing(places.keystore, "key store", "--keystore")
    _refuse_existing(places.wallet, "wallet", "--wallet")
    if genesis is not None:
        _, text = read_genesis(genesis)
    else:
        text = genesis_text(_genesis_of_faucet(faucet or "", invocation))
    _create(places, text, seed=testing_prng_seed)
    if faucet is not None:
        invocation.run(_learn_committees)
    invocation.output.result({"wallet": str(places.wallet), "keystore": str(places.keystore)})


async def _learn_committees(session: Session) -> None:
    """Have the current committee at once: the network may have changed it since its genesis.

    The admin chain enters the wallet, so that the committee is found again.
    """
    with session.progress("synchronizing the admin chain"):
        await synchronize_admin_chain(session.client.context)
    session.set_owner(session.client.context.admin_chain_id, None)


def _refuse_existing(path: Path, what: str, option: str) -> None:
    if path.exists() and path.stat().st_size:
        raise LocalError(
            f"the {what} {path} exists already; remove it, or name another one with {option}",
            retryable=False,
        )


def _create(places: Places, genesis: bytes, *, seed: int | None) -> None:
    """Storage, key store, wallet: in this order, so that a wallet is there only when all is."""
    from catenula.storage.shared import SharedStore
    from catenula.worker import initialize_store

    location = parse_location(places.storage)
    with open_location(location) as store:
        initialize_store(SharedStore(store), parse_genesis(genesis, "the genesis"))
    KeyStoreFile.create(places.keystore, seed)
    WalletFile.create(places.wallet, genesis)


def _genesis_of_faucet(url: str, invocation: Invocation) -> GenesisConfig:
    from catenula.client.faucet_client import FaucetClient

    output = invocation.output

    async def ask() -> tuple[VersionInfo | None, GenesisConfig]:
        faucet = FaucetClient(url)
        genesis = await faucet.genesis_config()
        try:
            return await faucet.version(), genesis
        except ProtocolError as error:
            output.warn(f"the faucet does not tell its version: {error}")
            return None, genesis

    with output.progress("asking the faucet for the network"):
        version, genesis = invocation.run_alone(ask())
    if version is not None:
        _compare_version(version, output)
    return genesis


def _compare_version(theirs: VersionInfo, output: Output) -> None:
    """Warn about another line of releases; hashes may differ within one (spec 08 §1.6)."""
    from catenula.worker.version import VERSION_INFO

    line = (VERSION_INFO.crate_version.major, VERSION_INFO.crate_version.minor)
    if (theirs.crate_version.major, theirs.crate_version.minor) != line:
        output.warn(
            f"the network runs version {theirs.crate_version} of the protocol, this program "
            f"speaks {line[0]}.{line[1]}; they may not understand each other"
        )


@command()
@click.option("--faucet", metavar="URL", required=True, help="The faucet to ask.")
@click.option("--set-default", is_flag=True, help="Make the chain the default one.")
def request_chain(invocation: Invocation, faucet: str, set_default: bool) -> None:
    """Get a chain from a faucet for a new key; print its id and its owner."""
    from catenula.client.faucet_client import FaucetClient

    async def body(session: Session) -> None:
        client, ours = FaucetClient(faucet), own_network(session.client.context)
        with session.progress("asking the faucet"):
            theirs = (await client.genesis_config()).network_description()
            check_same_network(ours, theirs, faucet)
            owner = session.new_owner()
            description = await client.claim(owner)
        chain_id = description.chain_id
        session.insert_new(description, owner)
        if set_default:
            session.wallet.content = session.wallet.content.with_default(chain_id)
        session.wallet.save()
        session.client.context.local.worker.track_chain(chain_id)
        with session.progress("synchronizing"):
            await (await session.chain(chain_id)).synchronize()
        data = {"chain_id": str(chain_id), "owner": str(owner)}
        session.output.result(data, f"{chain_id}\n{owner}")

    invocation.run(body)


@command()
@click.argument("output", type=_PATH)
@click.option("--faucet", metavar="URL", help="Fetch it from a faucet, not from the wallet.")
def export_genesis(invocation: Invocation, output: Path, faucet: str | None) -> None:
    """Write the genesis configuration of the wallet's network to OUTPUT."""
    if faucet is not None:
        genesis = _genesis_of_faucet(faucet, invocation)
    else:
        genesis = WalletFile.read(places_of(invocation.options).wallet).content.genesis()
    write_atomically(output, genesis_text(genesis), mode=PUBLIC_MODE)
    invocation.output.result({"path": str(output)})
