"""``catenula server initialize`` and ``inspect``: the store of a validator."""

from pathlib import Path
from typing import Any

import click

from catenula.base.errors import LocalError
from catenula.base.timestamps import format_timestamp
from catenula.cli.command import Invocation, command
from catenula.cli.server.options import CONFIG_FILE, GENESIS_FILE, STORAGE
from catenula.client.files.genesis_json import read_genesis
from catenula.storage.location import Location, open_location, parse_location
from catenula.storage.shared import SharedStore
from catenula.validator.configuration import load_configuration
from catenula.worker import initialize_store


def _location(text: str) -> Location:
    location = parse_location(text)
    if not location.is_lasting:
        raise LocalError(
            "a store in memory is gone when this command ends; give sqlite:PATH", retryable=False
        )
    return location


@command(short_help="Prepare a store for a network.")
@STORAGE
@click.option(
    "--genesis", type=GENESIS_FILE, required=True, help="The network's genesis configuration."
)
def initialize(invocation: Invocation, storage: str, genesis: Path) -> None:
    """Make an empty store belong to the network of a genesis configuration.

    Repeating it changes nothing; a store of another network is refused.
    """
    location = _location(storage)
    config, _ = read_genesis(genesis)
    with open_location(location) as store:
        store.claim()
        initialize_store(SharedStore(store), config)
    invocation.output.result({"network": config.network_name, "storage": location.engine_text()})
    invocation.output.note(f"{location.engine_text()} belongs to {config.network_name} now")


@command(short_help="Tell what a validator's store holds.")
@click.argument("config", required=False, type=CONFIG_FILE)
@STORAGE
def inspect(invocation: Invocation, config: Path | None, storage: str) -> None:
    """Tell what a validator's store holds, beside its configuration if that is given.

    Only reads; with sqlite: also while the validator runs.
    """
    location = _location(storage)
    if not Path(location.engine_text().partition(":")[2]).exists():
        raise LocalError(f"there is no store at {storage}", retryable=False)
    with open_location(location) as store:
        data = _describe(SharedStore(store))
    if config is not None:
        data = {**_describe_configuration(config), **data}
    invocation.output.result(data, "\n".join(_lines(data)))


def _describe(shared: SharedStore) -> dict[str, Any]:
    from catenula import __version__
    from catenula.storage.engine import FORMAT_MARKER
    from catenula.worker.version import VERSION_INFO

    network = shared.network_description()
    tokens = shared.store.tokens()
    return {
        "storage": shared.store.name,
        "format": FORMAT_MARKER.decode(),
        "catenula": __version__,
        "protocol": str(VERSION_INFO.crate_version),
        "network": None if network is None else network.name,
        "admin_chain": None if network is None else str(network.admin_chain_id),
        "genesis_time": None if network is None else format_timestamp(network.genesis_timestamp),
        "genesis_hash": None if network is None else str(network.genesis_config_hash),
        "chains": len(shared.chain_ids()),
        "partitions_taken": len(tokens),
        "takeovers": sum(tokens.values()),
    }


def _describe_configuration(path: Path) -> dict[str, Any]:
    config = load_configuration(path)
    return {
        "public_key": config.public_key,
        "account_key": str(config.account_key),
        "address": str(config.address),
        "listen": str(config.listen),
        "workers": config.workers,
        "metrics": None if config.metrics is None else str(config.metrics),
    }


def _lines(data: dict[str, Any]) -> list[str]:
    width = max(map(len, data)) + 2
    return [f"{name + ':':<{width}}{'-' if data[name] is None else data[name]}" for name in data]
