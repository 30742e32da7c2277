"""``catenula server run``: a validator in the foreground, in one process or in several."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from catenula.cli.command import Invocation, command
from catenula.cli.server.options import CONFIG_FILE, GENESIS_FILE, STORAGE

if TYPE_CHECKING:
    from catenula.protocol import GenesisConfig
    from catenula.storage.location import Location
    from catenula.validator.configuration import ServerConfig


@command(json_option=False, short_help="Run a validator.")
@click.argument("config", type=CONFIG_FILE)
@STORAGE
@click.option("--genesis", type=GENESIS_FILE, help="Initialise the store first if it is empty.")
@click.option("--workers", type=click.IntRange(1), help="How many workers share out the chains.")
@click.option("--processes", is_flag=True, help="One process per worker, and a front door.")
@click.option("--log-form", type=click.Choice(["human", "json"]), help="The form of log lines.")
def run(
    invocation: Invocation,
    config: Path,
    storage: str,
    genesis: Path | None,
    workers: int | None,
    processes: bool,
    log_form: str | None,
) -> None:
    """Run the validator of a configuration file until it is interrupted or terminated.

    CONFIG is our TOML file or the reference's server.json. The number of workers may differ from
    start to start. Logs go to stderr.
    """
    from catenula.client.files.genesis_json import read_genesis
    from catenula.storage.location import check_shareable, parse_location
    from catenula.validator.configuration import check_configuration, load_configuration

    loaded = load_configuration(config)
    if workers is not None:
        loaded = replace(loaded, workers=workers, worker_addresses=())
    if log_form is not None:
        loaded = replace(loaded, logs=replace(loaded.logs, form=log_form))
    loaded = check_configuration(loaded)
    location = parse_location(storage)
    network = None if genesis is None else read_genesis(genesis)[0]
    if processes:
        _run_processes(loaded, check_shareable(location), network)
    else:
        _run_here(loaded, location, network)


def _run_here(
    config: "ServerConfig", location: "Location", genesis: "GenesisConfig | None"
) -> None:
    from catenula.transport import event_loop
    from catenula.validator.server import serve_until_stopped

    event_loop.run(serve_until_stopped(config, location.engine_text(), genesis=genesis))


def _run_processes(
    config: "ServerConfig", location: "Location", genesis: "GenesisConfig | None"
) -> None:
    import tempfile

    from catenula.validator.logs import set_up_logs
    from catenula.validator.process_spec import ValidatorSpec
    from catenula.validator.process_tree import ProcessTree, warm_up

    set_up_logs(config.logs)
    warm_up()
    with tempfile.TemporaryDirectory(prefix="catenula-") as folder:
        spec = ValidatorSpec.make(
            config, location.engine_text(), Path(folder) / "sockets", genesis=genesis
        )
        spec.endpoints()
        tree = ProcessTree(lambda _: None)
        tree.start(spec)
        tree.run()
