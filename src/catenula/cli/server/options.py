"""Options that several ``catenula server`` commands take."""

from pathlib import Path

import click

STORAGE = click.option(
    "--storage",
    required=True,
    metavar="STORAGE",
    help="Where the validator keeps its data: sqlite:PATH, or rocksdb:PATH for one process.",
)

GENESIS_FILE = click.Path(dir_okay=False, path_type=Path)
CONFIG_FILE = click.Path(dir_okay=False, path_type=Path)
