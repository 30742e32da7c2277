"""``catenula net``: a local network, started and stopped with one command (spec 06 §8.5).

``net up`` prints what a shell evaluates on stdout, and everything for people on stderr, where
``READY!`` says that all ports answer.
"""

import asyncio
import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from catenula.base.errors import LocalError
from catenula.base.integers import U32_MAX, U64_MAX, Amount
from catenula.cli.admin.genesis import POLICIES, policy_named
from catenula.cli.admin.helper_script import HELPER_SCRIPT
from catenula.cli.admin.policy_options import split_list
from catenula.cli.admin.signals import stop_signal, until_stopped
from catenula.cli.command import Invocation, combined, command, run
from catenula.cli.output import Output, counted
from catenula.cli.parameters import AMOUNT, PORT
from catenula.client.watcher import Watcher

if TYPE_CHECKING:
    from catenula.network.devnet import Devnet, RunPlan
    from catenula.network.devnet_files import DevnetFiles, DevnetPlan

GENESIS_FILE = "genesis.json"
OFFSET_VARIABLE = "TEST_OFFSET_PORT"
READY = "READY!"

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_COUNT = click.IntRange(min=1)
_DEFAULT_ALLOW_LIST = "localhost"


def _ignored(name: str, kind: Any) -> Any:
    """An option of the reference that has no counterpart here; checked for its kind."""
    return click.option(f"--{name}", type=kind, hidden=True, expose_value=False)


_NETWORK_OPTIONS = combined(
    click.option(
        "--other-initial-chains",
        type=click.IntRange(0, U32_MAX),
        default=2,
        show_default=True,
        help="Chains besides the admin chain.",
    ),
    click.option(
        "--initial-amount",
        type=click.IntRange(0),
        default=1_000_000,
        show_default=True,
        help="Tokens of each of these chains.",
    ),
    click.option("--validators", type=_COUNT, help="Validators.  [default: 4]"),
    click.option(
        "--workers",
        "--shards",
        "workers",
        type=_COUNT,
        help="Workers per validator, which share out its chains.  [default: 1]",
    ),
    click.option(
        "--policy-config",
        type=POLICIES,
        default="no-fees",
        show_default=True,
        help="Prices and limits.",
    ),
    click.option(
        "--http-request-allow-list",
        default=_DEFAULT_ALLOW_LIST,
        show_default=True,
        metavar="HOSTS",
        help="Hosts that applications may ask, separated by commas.",
    ),
    click.option(
        "--historical-hash",
        is_flag=True,
        help="State hashes that stay cheap however large a chain's state gets; browsers' wallets "
        "of release 0.15.17 do not understand such a network.",
    ),
    click.option(
        "--testing-prng-seed",
        type=click.IntRange(0, U64_MAX - 1),
        help="Make keys that can be foretold: for tests only.",
    ),
)

_RUN_OPTIONS = combined(
    click.option(
        "--path",
        type=click.Path(path_type=Path, file_okay=False),
        help="Keep the network in this folder; if there is one already, start it again.",
    ),
    click.option(
        "--processes",
        is_flag=True,
        help="One process per front door and worker, instead of one for everything.",
    ),
    click.option(
        "--external-protocol",
        type=click.Choice(["grpc", "grpcs"]),
        default="grpc",
        show_default=True,
        help="How clients reach the validators; grpcs needs --tls-cert and --tls-key.",
    ),
    click.option("--tls-cert", type=_FILE, help="The certificate for grpcs (PEM)."),
    click.option("--tls-key", type=_FILE, help="The private key for grpcs (PEM)."),
    click.option("--with-faucet", is_flag=True, help="Also run a faucet."),
    click.option(
        "--faucet-chain",
        type=click.IntRange(0, U32_MAX),
        help="It gives from the n-th chain besides the admin chain, by their ids.  [default: 0]",
    ),
    click.option(
        "--faucet-port", type=PORT, default=8080, show_default=True, help="The faucet's port."
    ),
    click.option(
        "--faucet-amount",
        type=AMOUNT,
        default="1000",
        show_default=True,
        help="Tokens of each chain that the faucet gives.",
    ),
    click.option("--with-block-exporter", is_flag=True, hidden=True),
    _ignored("num-block-exporters", int),
    _ignored("exporter-address", str),
    _ignored("exporter-port", int),
    _ignored("cross-chain-queue-size", int),
    _ignored("cross-chain-max-retries", int),
    _ignored("cross-chain-retry-delay-ms", int),
    _ignored("cross-chain-max-backoff-ms", int),
    _ignored("cross-chain-sender-delay-ms", int),
    _ignored("cross-chain-sender-failure-rate", float),
)


@command()
@_NETWORK_OPTIONS
@_RUN_OPTIONS
def up(invocation: Invocation, **options: Any) -> None:
    """Run a local network until it is interrupted with Ctrl-C.

    Prints commands for a shell that make this program use the network's administrator's wallet.
    Without --path the network is removed at the end. The ports are those of the reference: the
    first validator's is 13001; TEST_OFFSET_PORT in the environment moves them (default 9000).
    """
    _check(options)
    _warn_about_old_network(invocation, options)
    run(_up(invocation.output, options))


_ONLY_FOR_NEW = (
    "other_initial_chains",
    "initial_amount",
    "policy_config",
    "http_request_allow_list",
    "historical_hash",
    "testing_prng_seed",
    "external_protocol",
)


def _warn_about_old_network(invocation: Invocation, options: dict[str, Any]) -> None:
    """A network that exists stays what it is; say so when options ask for something else."""
    from click.core import ParameterSource

    path, context = options["path"], invocation.context
    if path is None or not (path / GENESIS_FILE).exists():
        return
    ignored = [
        f"--{name.replace('_', '-')}"
        for name in _ONLY_FOR_NEW
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if ignored:
        invocation.output.warn(
            f"the network in {path} exists already; {', '.join(ignored)} would only change a new "
            "one and has no effect"
        )


def _check(options: dict[str, Any]) -> None:
    if options["with_block_exporter"]:
        raise LocalError(
            "block exporters are not supported; leave out --with-block-exporter", retryable=False
        )
    encrypted = options["external_protocol"] == "grpcs"
    certificate, key = options["tls_cert"], options["tls_key"]
    if encrypted != (certificate is not None) or encrypted != (key is not None):
        raise click.UsageError(
            "--external-protocol grpcs goes with --tls-cert and --tls-key, all three or none"
        )


async def _up(output: Output, options: dict[str, Any]) -> None:
    # First of all: from here on a signal ends everything in order.
    stop = stop_signal()
    from catenula.network.devnet import remove_folder

    lasting = options["path"] is not None
    path = options["path"] or Path(tempfile.mkdtemp(prefix="catenula-net-"))
    try:
        with output.progress("starting the network") as progress:
            devnet = await until_stopped(stop, _start(path, options, progress))
        if devnet is not None:
            await _serve(output, devnet, stop)
    finally:
        if not lasting:
            remove_folder(path)
    click.echo("done", err=True)


async def _start(path: Path, options: dict[str, Any], watcher: Watcher) -> "Devnet":
    from catenula.network.devnet import Devnet

    files, write = _files(path, options)
    plan = _run_plan(options)
    if not plan.lasting:
        return await Devnet.start(files, plan, write_files=write, watcher=watcher)
    # What is to last must be on disk before anything is promised.
    write()
    return await Devnet.start(files, plan, watcher=watcher)


async def _serve(output: Output, devnet: "Devnet", stop: asyncio.Event) -> None:
    """Until the signal; raises `LocalError` when the network ends by itself."""
    try:
        _announce(output, devnet)
        failure = await until_stopped(stop, devnet.failed())
        if failure is not None:
            raise failure
        click.echo("\nstopping the network", err=True)
    finally:
        await devnet.close()


def _files(path: Path, options: dict[str, Any]) -> "tuple[DevnetFiles, Callable[[], None]]":
    """The network of the folder and how its files are written; nothing to do for an old one."""
    from catenula.network.devnet_files import DevnetFolder, create_devnet, load_devnet

    folder = DevnetFolder(path)
    found = load_devnet(folder)
    if found is None:
        new = create_devnet(folder, _plan(options), secrets.token_bytes)
        return new.files, new.write
    wanted = options["validators"]
    if wanted is not None and wanted != len(found.servers):
        raise LocalError(
            f"the network in {path} has {len(found.servers)} validators, not {wanted}; "
            "leave out --validators, or choose a new folder with --path",
            retryable=False,
        )
    if options["workers"] is not None:
        found = found.with_workers(options["workers"])
    return found, lambda: None


def _plan(options: dict[str, Any]) -> "DevnetPlan":
    from catenula.client.administration.policy import edit_policy
    from catenula.network.devnet_files import Certificate, DevnetPlan
    from catenula.network.genesis import GenesisPlan, default_network_name
    from catenula.network.ports import PortLayout
    from catenula.validator.clock import SystemClock

    now, workers = SystemClock().now(), options["workers"] or 1
    hosts = split_list(options["http_request_allow_list"])
    certificate = None
    if options["tls_cert"] is not None:
        certificate = Certificate(options["tls_cert"], options["tls_key"])
    return DevnetPlan(
        GenesisPlan(
            options["other_initial_chains"],
            Amount(options["initial_amount"] * 10**18),
            edit_policy(policy_named(options["policy_config"]), {}, allow_list=hosts),
            now,
            default_network_name(now),
        ),
        validators=options["validators"] or 4,
        workers=workers,
        ports=PortLayout(_base_port(), workers),
        certificate=certificate,
        seed=options["testing_prng_seed"],
        historical_hash=options["historical_hash"],
    )


def _base_port() -> int:
    text = os.environ.get(OFFSET_VARIABLE, "9000")
    try:
        return int(text)
    except ValueError as error:
        raise LocalError(
            f"{OFFSET_VARIABLE} is {text!r}, which is no port number", retryable=False
        ) from error


def _run_plan(options: dict[str, Any]) -> "RunPlan":
    from catenula.network.devnet import FaucetPlan, RunPlan

    faucet = None
    if options["with_faucet"]:
        faucet = FaucetPlan(
            options["faucet_amount"], options["faucet_port"], options["faucet_chain"] or 0
        )
    return RunPlan(options["processes"], options["path"] is not None, faucet)


def _announce(output: Output, devnet: "Devnet") -> None:
    """Exports on stdout, the summary and then the word that scripts wait for on stderr."""
    folder = devnet.files.folder
    data = {
        "wallet": str(folder.wallet),
        "keystore": str(folder.keystore),
        "storage": folder.storage,
        "genesis": str(folder.genesis),
        "admin_chain": str(devnet.files.genesis.admin_chain_id),
        "chains": [str(chain.chain_id) for chain in devnet.files.genesis.chains],
        "validators": [str(server.address) for server in devnet.files.servers],
        "faucet": devnet.faucet_url(),
    }
    exports = (
        f'export LINERA_WALLET="{folder.wallet}"\n'
        f'export LINERA_KEYSTORE="{folder.keystore}"\n'
        f'export LINERA_STORAGE="{folder.storage}"\n'
    )
    output.result(data, exports)
    for line in _summary(devnet):
        click.echo(line, err=True)
    click.echo(f"\n{READY}\n{_ending(devnet)}", err=True)


def _summary(devnet: "Devnet") -> list[str]:
    files = devnet.files
    where = "processes of their own" if devnet.plan.processes else "this process"
    count, workers = len(files.servers), files.servers[0].workers
    size = f"{counted(count, 'validator')} with {counted(workers, 'worker')} each in {where}"
    lines = [
        f"network    {files.genesis.network_name}: {size}",
        f"folder     {files.folder.path}",
        f"admin      {files.genesis.admin_chain_id}",
    ]
    lines += [
        f"validator  {url}  ({server.public_key[:10]}…)"
        for url, server in zip(devnet.validator_urls(), files.servers, strict=True)
    ]
    if (certificate := files.servers[0].certificate) is not None:
        lines.append(
            f"to trust   export GRPC_DEFAULT_SSL_ROOTS_FILE_PATH={certificate}"
            "  (unless a known authority has signed the certificate)"
        )
    if devnet.plan.faucet is not None:
        lines.append(f"faucet     {devnet.faucet_url()}  (a page to claim a chain: /claim)")
    return lines


def _ending(devnet: "Devnet") -> str:
    if devnet.plan.lasting:
        return "Press ^C to stop the network; it stays in its folder."
    return "Press ^C to stop the network and remove it."


@command(json_option=False)
def helper(invocation: Invocation) -> None:
    """Print functions for a shell script that starts a network and goes on when it is ready.

    For example: source <(catenula net helper); catenula_spawn_and_export catenula net up
    """
    click.echo(HELPER_SCRIPT)
