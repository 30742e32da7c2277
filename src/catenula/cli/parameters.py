"""Kinds of arguments: texts of the protocol as values, refused with click's exit code 2.

The layers below are imported when a text is read, not when a command is declared.
"""

from collections.abc import Callable
from typing import Any

import click

from catenula.base.errors import ProtocolError


class ManyValues(click.Option):
    """An option that takes all values up to the next option, as ``--option A B C``.

    To be declared with ``multiple=True``. The reference's command line allows that beside
    ``--option A --option B``; click does not.
    """

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Have the parser of this run hand over the values that follow too."""
        super().add_to_parser(parser, ctx)
        for name in self.opts:
            option = parser._long_opt[name]
            option.process = _greedy(option.process)


def _greedy(process: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def take(value: Any, state: Any) -> None:
        process(value, state)
        while state.rargs and not state.rargs[0].startswith("-"):
            process(state.rargs.pop(0), state)

    return take


class Parsed(click.ParamType[Any]):
    """A text that a function of a lower layer reads."""

    def __init__(self, name: str, load: Callable[[], Callable[[str], Any]]) -> None:
        self.name = name
        self._load = load

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the text; wrong usage when it is not a value."""
        if not isinstance(value, str):
            return value
        try:
            return self._load()(value)
        except (ProtocolError, ValueError) as error:
            self.fail(f"{value!r} is not {self._article()}: {in_words(error)}", param, ctx)

    def _article(self) -> str:
        article = "an" if self.name[0] in "aeiou" else "a"
        return f"{article} {self.name}"


def in_words(error: Exception) -> str:
    """Why a text is not a value, without the code of the error."""
    if not isinstance(error, ProtocolError):
        return str(error)
    expected, reason = error.fields.get("expected"), error.fields.get("reason")
    match error.code:
        case "InvalidHex":
            return "pairs of hexadecimal digits are expected"
        case "InvalidLength":
            return f"it has {error.fields['length']} bytes, not {expected}"
    if expected is not None:
        return f"expected is {expected}"
    return error.message() if reason is None else str(reason)


def _chain_id() -> Callable[[str], Any]:
    from catenula.base.identifiers import ChainId

    return ChainId.parse


def _owner() -> Callable[[str], Any]:
    from catenula.base.identifiers import AccountOwner

    return AccountOwner.parse


def _hash() -> Callable[[str], Any]:
    from catenula.base.identifiers import CryptoHash

    return CryptoHash.parse


def _account() -> Callable[[str], Any]:
    from catenula.protocol import Account

    return Account.parse


def _amount() -> Callable[[str], Any]:
    from catenula.base.integers import parse_amount

    return parse_amount


def _height() -> Callable[[str], Any]:
    from catenula.base.integers import U64_MAX, BlockHeight, parse_unsigned

    return lambda text: BlockHeight(parse_unsigned(text, U64_MAX))


def _timestamp() -> Callable[[str], Any]:
    from catenula.base.timestamps import parse_timestamp

    return parse_timestamp


def _application_id() -> Callable[[str], Any]:
    from catenula.base.identifiers import ApplicationId

    return ApplicationId.parse


def _module_id() -> Callable[[str], Any]:
    from catenula.protocol import ModuleId

    return ModuleId.parse


def _compact_json() -> Callable[[str], Any]:
    """JSON as applications get it: the same value without spaces, in the order of the text."""
    import json

    import msgspec

    def compact(text: str) -> bytes:
        return msgspec.json.encode(json.loads(text, parse_int=_integer))

    return compact


def _integer(digits: str) -> int | float:
    """Integers beyond 64 bits become floating-point numbers, as in the reference's tools."""
    number = int(digits)
    return number if -(1 << 63) <= number < 1 << 64 else float(number)


CHAIN_ID = Parsed("chain id", _chain_id)
MODULE_ID = Parsed("module id", _module_id)
JSON_TEXT = Parsed("JSON text", _compact_json)
OWNER = Parsed("owner", _owner)
HASH = Parsed("hash", _hash)
APPLICATION_ID = Parsed("application id", _application_id)
ACCOUNT = Parsed("account", _account)
AMOUNT = Parsed("amount", _amount)
HEIGHT = Parsed("height", _height)
TIMESTAMP = Parsed("time", _timestamp)
PORT = click.IntRange(0, 65_535)
