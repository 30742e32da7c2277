"""One option per price and limit of a policy, as the commands that set them share."""

from typing import Any

import click

from catenula.base.integers import U64_MAX
from catenula.cli.command import Options, combined
from catenula.cli.parameters import AMOUNT
from catenula.client.administration.policy import ALLOW_LIST_FIELD, LIMIT_FIELDS, PRICE_FIELDS

_LIMIT = click.IntRange(0, U64_MAX)


def policy_options(*, price_suffix: str) -> Options[Any]:
    """Add the options; the function gets one argument per field of the policy.

    ``price_suffix`` ends the names of prices on the command line, not those of the arguments.
    """
    prices = [
        click.option(
            f"--{_dashed(name)}{price_suffix}",
            name,
            type=AMOUNT,
            metavar="TOKENS",
            help=f"Price of {name.replace('_', ' ')}.",
        )
        for name in PRICE_FIELDS
    ]
    limits = [
        click.option(f"--{_dashed(name)}", name, type=_LIMIT, help=f"{_words(name)}.")
        for name in LIMIT_FIELDS
    ]
    lists = [
        click.option(
            f"--{_dashed(ALLOW_LIST_FIELD)}",
            ALLOW_LIST_FIELD,
            metavar="HOSTS",
            help="Hosts that applications may ask, and flags, separated by commas.",
        ),
        click.option(
            "--free-application-ids",
            metavar="IDS",
            help="Applications whose messages and events cost nothing, separated by commas.",
        ),
    ]
    return combined(*prices, *limits, *lists)


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def split_list(text: str) -> list[str]:
    """The parts of a list that is written with commas; nothing for an empty text."""
    return [part.strip() for part in text.split(",") if part.strip()]
