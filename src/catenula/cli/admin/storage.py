"""``catenula storage``: maintenance of the database that ``--storage`` names.

A namespace is one database: a file of sqlite, a folder of RocksDB. Nothing here needs a wallet.
"""

from pathlib import Path

import click

from catenula.base.errors import LocalError
from catenula.cli.command import Invocation, command
from catenula.cli.settings import places_of
from catenula.storage.location import Location, open_location, parse_location
from catenula.storage.maintenance import (
    delete_all,
    delete_store,
    list_blob_ids,
    list_chain_ids,
    list_namespaces,
    store_exists,
)

_GENESIS = click.Path(path_type=Path, dir_okay=False)


def _location(invocation: Invocation) -> Location:
    location = parse_location(places_of(invocation.options).storage)
    if not location.is_lasting:
        raise LocalError(
            "storage in memory ends with each command; name a lasting one with --storage",
            retryable=False,
        )
    return location


def _existing(invocation: Invocation) -> Location:
    location = _location(invocation)
    if not store_exists(location):
        raise LocalError(
            f"there is no database at {location.engine_text()}; make one with "
            "`catenula storage initialize`, or name another one with --storage",
            retryable=False,
        )
    return location


@command()
def delete_all_command(invocation: Invocation) -> None:
    """Delete all databases of the place that --storage names."""
    deleted = delete_all(_location(invocation))
    invocation.output.result({"deleted": deleted})


@command()
def delete_namespace(invocation: Invocation) -> None:
    """Delete the database that --storage names."""
    location = _location(invocation)
    deleted = delete_store(location)
    invocation.output.result({"deleted": [location.engine_text()] if deleted else []})


@command()
def check_existence(invocation: Invocation) -> None:
    """Exit with 0 when the database exists, else with 1."""
    exists = store_exists(_location(invocation))
    invocation.output.result({"exists": exists})
    invocation.output.note("the database exists" if exists else "there is no such database")
    if not exists:
        raise click.exceptions.Exit(1)


@command()
@click.option("--genesis", type=_GENESIS, required=True, help="The genesis file of the network.")
def initialize(invocation: Invocation, genesis: Path) -> None:
    """Make the database and write the beginning of the network into it."""
    from catenula.client.files.genesis_json import read_genesis
    from catenula.storage.shared import SharedStore
    from catenula.worker import initialize_store

    location = _location(invocation)
    config, _ = read_genesis(genesis)
    with open_location(location) as store:
        initialize_store(SharedStore(store), config)
    invocation.output.result({"storage": location.engine_text(), "network": config.network_name})


@command()
def list_namespaces_command(invocation: Invocation) -> None:
    """List the databases of the place that --storage names, one per line."""
    _print(invocation, list_namespaces(_location(invocation)))


@command()
def list_blob_ids_command(invocation: Invocation) -> None:
    """List the blobs in the database, one per line."""
    with open_location(_existing(invocation)) as store:
        _print(invocation, [str(blob_id) for blob_id in list_blob_ids(store)])


@command()
def list_chain_ids_command(invocation: Invocation) -> None:
    """List the chains in the database, one per line."""
    with open_location(_existing(invocation)) as store:
        _print(invocation, [str(chain_id) for chain_id in list_chain_ids(store)])


def _print(invocation: Invocation, names: list[str]) -> None:
    invocation.output.result(names, "\n".join(names) if names else None)
