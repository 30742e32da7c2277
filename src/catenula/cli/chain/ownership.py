"""``catenula show-ownership``, ``change-ownership``, ``set-preferred-owner``; ownership options."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import click

from catenula.base.codec import codec_of, parse_json, write_json
from catenula.base.errors import DecodeError
from catenula.base.identifiers import AccountOwner, ChainId
from catenula.base.integers import U32, U32_MAX, U64, U64_MAX, TimeDelta
from catenula.cli.chain.blocks import block_data, make_block
from catenula.cli.command import DRY_RUN, Invocation, command
from catenula.cli.parameters import CHAIN_ID, OWNER, Parsed
from catenula.cli.session import Session
from catenula.client.errors import BlockRefused, Explanation
from catenula.protocol import ChainOwnership, change_ownership_to

_T = TypeVar("_T")

_US_PER_MS = 1_000
_MAX_MS = U64_MAX // _US_PER_MS


def _super_owners(text: str) -> list[AccountOwner]:
    return _json_list(text, AccountOwner.parse)


def _json_list(text: str, read: Callable[[str], _T]) -> list[_T]:
    data = parse_json(text)
    if type(data) is not list or not all(type(item) is str for item in data):
        raise DecodeError("InvalidJson", expected="a list of texts")
    return [read(item) for item in data]


def _owners(text: str) -> dict[AccountOwner, U64]:
    data = parse_json(text)
    try:
        weights = {AccountOwner.parse(owner): weight for owner, weight in dict(data).items()}
    except (TypeError, ValueError) as error:
        raise DecodeError("InvalidJson", expected="an object of owners and weights") from error
    if not all(type(weight) is int and 0 <= weight <= U64_MAX for weight in weights.values()):
        raise DecodeError("InvalidJson", expected="weights from 0 to 2^64-1")
    return {owner: U64(weight) for owner, weight in weights.items()}


def _rounds(text: str) -> U32:
    if text == "null":
        return U32(U32_MAX)
    if not text.isdigit() or int(text) > U32_MAX:
        raise DecodeError("InvalidInteger", text=text, expected="a number, or null for no limit")
    return U32(int(text))


def _milliseconds(text: str) -> TimeDelta:
    if not text.isdigit() or int(text) > _MAX_MS:
        raise DecodeError("InvalidInteger", text=text, expected="milliseconds")
    return TimeDelta(int(text) * _US_PER_MS)


class _Row(NamedTuple):
    option: str
    kind: Callable[[str], Any]
    help: str


_ROWS = (
    _Row("super-owners", _super_owners, "Owners who may use the fast round, as a JSON list."),
    _Row("owners", _owners, "Regular owners with their weights, as a JSON object."),
    _Row("multi-leader-rounds", _rounds, "Rounds in which every owner may propose, or null."),
    _Row("fast-round-ms", _milliseconds, "How long the fast round lasts."),
    _Row("base-timeout-ms", _milliseconds, "How long the first round with a time limit lasts."),
    _Row("timeout-increment-ms", _milliseconds, "By how much each later round lasts longer."),
    _Row("fallback-duration-ms", _milliseconds, "When validators take over a neglected chain."),
)

_TIMEOUTS = {
    "fast_round_ms": "fast_round_duration",
    "base_timeout_ms": "base_timeout",
    "timeout_increment_ms": "timeout_increment",
    "fallback_duration_ms": "fallback_duration",
}


def ownership_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the ownership options; their values come as keyword arguments."""
    flag = click.option(
        "--open-multi-leader-rounds",
        is_flag=True,
        default=None,
        help="Let anybody propose in the multi-leader rounds.",
    )
    function = flag(function)
    for row in reversed(_ROWS):
        kind = Parsed("ownership value", lambda read=row.kind: read)  # type: ignore[misc]  # Bound now.
        function = click.option(f"--{row.option}", type=kind, help=row.help)(function)
    return function


def changed_ownership(base: ChainOwnership, given: dict[str, Any]) -> ChainOwnership:
    """``base`` with the parts that were given; entries of ``given`` that are no part are taken out.

    Weights and owners are sorted as the protocol wants them.
    """
    timeouts = {
        name: given.pop(option)
        for option, name in _TIMEOUTS.items()
        if given.get(option) is not None
    }
    changes: dict[str, Any] = {"timeout_config": base.timeout_config.replace(**timeouts)}
    if given.get("super_owners") is not None:
        changes["super_owners"] = tuple(sorted(set(given["super_owners"])))
    if given.get("owners") is not None:
        changes["owners"] = dict(sorted(given["owners"].items()))
    if given.get("multi_leader_rounds") is not None:
        changes["multi_leader_rounds"] = given["multi_leader_rounds"]
    if given.get("open_multi_leader_rounds"):
        changes["open_multi_leader_rounds"] = True
    return base.replace(**changes)


_CHAIN = click.option("--chain-id", type=CHAIN_ID, help="The chain; by default the wallet's.")


@command()
@_CHAIN
def show_ownership(invocation: Invocation, chain_id: ChainId | None) -> None:
    """Show who owns a chain and how its rounds work, as far as it is known here."""

    async def body(session: Session) -> None:
        chain = await session.local_chain(session.chain_id(chain_id))
        ownership = chain.state().execution.system.ownership.get()
        data = codec_of(ChainOwnership).to_json(ownership)
        session.output.result(data, write_json(data, indent=2))

    invocation.run(body)


@command()
@_CHAIN
@ownership_options
@DRY_RUN
def change_ownership(
    invocation: Invocation, chain_id: ChainId | None, dry_run: bool, **given: Any
) -> None:
    """Replace those parts of a chain's ownership that are given."""

    async def body(session: Session) -> None:
        chain = await session.chain(chain_id)
        await chain.info()
        ownership = changed_ownership(chain.state().execution.system.ownership.get(), given)
        if not ownership.super_owners and not ownership.owners:
            raise BlockRefused(
                Explanation(
                    "The chain would be left without owners, which nobody could undo",
                    chain.chain_id,
                    next_step="name at least one owner or super owner",
                )
            )
        operation = change_ownership_to(ownership)
        made = await make_block(session, chain, (operation,), dry_run=dry_run)
        if made is not None:
            session.output.result(block_data(made))

    invocation.run(body)


@command()
@_CHAIN
@click.option("--owner", type=OWNER, required=True, help="Who shall sign.")
def set_preferred_owner(
    invocation: Invocation, chain_id: ChainId | None, owner: AccountOwner
) -> None:
    """Choose who signs for a chain in this run only.

    The choice is neither checked nor kept, as in the reference; `assign` keeps it.
    """

    async def body(session: Session) -> None:
        chain = await session.chain(chain_id)
        chain.set_preferred_owner(owner)
        session.output.note("this choice is not kept; use `catenula assign` for one that is")
        session.output.result({"chain_id": str(chain.chain_id), "owner": str(owner)})

    invocation.run(body)
