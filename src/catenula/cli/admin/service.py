"""``catenula service``: the chains of the wallet over GraphQL, until interrupted (spec 08 §2)."""

import asyncio
import ipaddress
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

import click

from catenula.base.identifiers import ApplicationId, ChainId
from catenula.cli.admin.port_options import port_options
from catenula.cli.admin.signals import stop_signal
from catenula.cli.admin.wallet_keeper import WalletKeeper
from catenula.cli.command import Invocation, command
from catenula.cli.output import counted
from catenula.cli.parameters import APPLICATION_ID, Parsed
from catenula.cli.session import Session
from catenula.cli.settings import listener_options
from catenula.client.files.wallet_json import ChainEntry

if TYPE_CHECKING:
    from catenula.services.node.options import NodeServiceOptions
    from catenula.services.node.service import NodeService


class _NameAndSeconds(click.ParamType[tuple[str, float]]):
    """``Name=Seconds``."""

    name = "name=seconds"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """Both parts; wrong usage for another text."""
        name, _, seconds = value.partition("=")
        try:
            return name, max(0.0, float(seconds))
        except ValueError:
            self.fail(f"{value!r} is not a name, an equals sign and seconds", param, ctx)


def _ids() -> Callable[[str], tuple[ApplicationId, ...]]:
    return lambda text: tuple(
        ApplicationId.parse(part.strip()) for part in text.split(",") if part.strip()
    )


def _operator() -> Callable[[str], tuple[str, Path]]:
    return _named_program


def _named_program(text: str) -> tuple[str, Path]:
    """A name and a program: ``NAME=PATH``, or ``NAME`` for a program of that name."""
    name, separator, place = text.partition("=")
    found = shutil.which(place if separator else name)
    if not name or found is None:
        raise ValueError("there is no program of that path or name that can be run")
    return name, Path(found).absolute()


_IDS = Parsed("list of application ids", _ids)
_OPERATOR = Parsed("name=path of a program", _operator)


@command()
@port_options(host="127.0.0.1")
@click.option(
    "--read-only", is_flag=True, help="Answer questions and follow the chains, but make no blocks."
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A file with a token that requests must bear.",
)
@click.option(
    "--query-cache-size",
    type=click.IntRange(min=0),
    default=0,
    envvar="LINERA_QUERY_CACHE_SIZE",
    help="Answers of applications kept per chain until its next block.",
)
@click.option(
    "--allow-subscription",
    "subscriptions",
    multiple=True,
    help="A named query of applications that may be subscribed to; can be repeated.",
)
@click.option(
    "--subscription-ttl-secs",
    "pauses",
    type=_NameAndSeconds(),
    multiple=True,
    help="The least time between two answers of a subscription; can be repeated.",
)
@click.option("--pause", is_flag=True, help="Do not follow the validators.")
@click.option(
    "--operator-application-ids",
    "operator_applications",
    type=_IDS,
    multiple=True,
    help="Applications on the default chain whose tasks are carried out, separated by commas.",
)
@click.option(
    "--controller-id",
    type=APPLICATION_ID,
    help="The application on the default chain that says what this worker serves.",
)
@click.option(
    "--operators",
    type=_OPERATOR,
    multiple=True,
    help="The program for tasks of a name, as NAME=PATH or NAME; can be repeated.",
)
@click.option(
    "--task-retry-delay-secs",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="How long to wait before a task that failed is tried again.",
)
def service(
    invocation: Invocation,
    port: int,
    host: str,
    metrics_port: int | None,
    read_only: bool,
    token_file: Path | None,
    query_cache_size: int,
    subscriptions: tuple[str, ...],
    pauses: tuple[tuple[str, float], ...],
    pause: bool,
    operator_applications: tuple[tuple[ApplicationId, ...], ...],
    controller_id: ApplicationId | None,
    operators: tuple[tuple[str, Path], ...],
    task_retry_delay_secs: float,
) -> None:
    """Serve the wallet's chains over GraphQL, and take in messages to them unless --read-only.

    Programs that reach the port command the wallet: keep it on this machine, or demand a token
    (--token-file, or the environment variable CATENULA_SERVICE_TOKEN).
    """
    from catenula.services.node import NodeServiceOptions
    from catenula.services.node.tasks.settings import TaskSettings

    if query_cache_size and invocation.options["long-lived-services"]:
        raise click.UsageError("--query-cache-size does not go with --long-lived-services.")
    tasks = TaskSettings(
        tuple(each for listed in operator_applications for each in listed),
        controller_id,
        dict(operators),
        task_retry_delay_secs,
    )
    if tasks.is_used and read_only:
        raise click.UsageError("A service that only reads cannot carry out tasks.")
    options = NodeServiceOptions(
        host=host,
        port=port,
        read_only=read_only,
        query_cache_size=query_cache_size,
        subscriptions=subscriptions,
        subscription_ttls=dict(pauses),
        token=_token(token_file),
        pause=pause,
        metrics_port=metrics_port,
        listener=listener_options(invocation.options),
        tasks=tasks,
    )
    invocation.run(lambda session: _serve(session, options), serves=True)


def _token(path: Path | None) -> str | None:
    import os

    text = os.environ.get("CATENULA_SERVICE_TOKEN") if path is None else path.read_text()
    if text is None:
        return None
    token = text.strip()
    if not token or not token.isprintable():
        raise click.UsageError("The token is empty or has letters that cannot be printed.")
    return token


async def _serve(session: Session, options: "NodeServiceOptions") -> None:
    from catenula.services.node import start_node_service
    from catenula.services.node.service import NodeService

    stop = stop_signal()
    chain_ids: list[ChainId] = session.wallet.content.chain_ids()
    for chain_id in chain_ids:
        await session.chain(chain_id)
    keeper = WalletKeeper(session)
    node = NodeService(session.client, keeper, options=options, on_block=keeper.heard)
    server = await start_node_service(node)
    try:
        _tell(session, options, server.port, server.metrics_port)
        following = asyncio.create_task(_follow(session, node))
        await stop.wait()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    finally:
        await server.close()
        await keeper.close()


def _tell(
    session: Session, options: "NodeServiceOptions", port: int, metrics_port: int | None
) -> None:
    url = f"http://localhost:{port}"
    metrics_url = None if metrics_port is None else f"http://localhost:{metrics_port}/metrics"
    chains = session.wallet.content.chains.values()
    session.output.result({"url": url, "metrics_url": metrics_url, "chains": len(chains)})
    click.echo(f"node service  {url}  ({chains_in_words(chains)})", err=True)
    if metrics_url is not None:
        click.echo(f"metrics       {metrics_url}", err=True)
    click.echo("Press ^C to stop it.", err=True)
    if options.token is None and not _is_loopback(options.host):
        session.output.warn(
            f"everybody who reaches {options.host}:{port} commands the wallet; use --token-file"
        )


def chains_in_words(chains: Collection[ChainEntry]) -> str:
    """How many chains of a wallet are its own, and how many it only follows."""
    owned = sum(entry.owner is not None for entry in chains)
    followed = f" and {len(chains) - owned} followed" if owned < len(chains) else ""
    return f"{counted(owned, 'own chain')}{followed}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _follow(session: Session, node: "NodeService") -> None:
    """Show how far the chains are synchronized, while questions are answered already."""
    with session.progress("synchronizing"):
        await node.synchronized()
    for chain_id, error in node.failures().items():
        session.output.warn(f"messages to {chain_id} could not be taken in: {error}")
    session.output.note("synchronized")
