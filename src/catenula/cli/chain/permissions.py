"""``catenula change-application-permissions``; permission options."""

from collections.abc import Callable
from typing import Any

import click

from catenula.base.codec import parse_json
from catenula.base.errors import DecodeError
from catenula.base.identifiers import ApplicationId, ChainId
from catenula.cli.chain.blocks import block_data, make_block
from catenula.cli.command import DRY_RUN, Invocation, command
from catenula.cli.parameters import CHAIN_ID, Parsed
from catenula.cli.session import Session
from catenula.protocol import ApplicationPermissions, ChangeApplicationPermissions

_ROWS = {
    "execute-operations": "The only applications with operations on the chain, or null for all.",
    "mandatory-applications": "Applications that every block must concern.",
    "close-chain": "Applications that may close the chain.",
    "change-application-permissions": "Applications that may change these permissions.",
    "call-service-as-oracle": "Applications that may query services, or null for all.",
    "make-http-requests": "Applications that may make HTTP requests, or null for all.",
}

_UNRESTRICTED = "null"


def _applications(text: str) -> Any:
    """A tuple of application ids, or the text ``null``."""
    data = parse_json(text)
    if data is None:
        return _UNRESTRICTED
    if type(data) is not list or not all(type(item) is str for item in data):
        raise DecodeError("InvalidJson", expected="a list of application ids, or null")
    return tuple(ApplicationId.parse(item) for item in data)


def permission_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the permission options; their values come as keyword arguments."""
    kind = Parsed("list of applications", lambda: _applications)
    for name, text in reversed(_ROWS.items()):
        function = click.option(f"--{name}", type=kind, help=text + " JSON.")(function)
    return function


def permissions_of(given: dict[str, Any]) -> ApplicationPermissions:
    """The permissions with the parts that were given; what is not given is unrestricted."""
    optional = ("execute_operations", "call_service_as_oracle", "make_http_requests")
    changes = {}
    for option in _ROWS:
        name = option.replace("-", "_")
        value = given.get(name)
        if value == _UNRESTRICTED:
            value = None if name in optional else ()
        if value is not None:
            changes[name] = value
    return ApplicationPermissions(**changes)


@command()
@click.option("--chain-id", type=CHAIN_ID, help="The chain; by default the wallet's.")
@permission_options
@DRY_RUN
def change_application_permissions(
    invocation: Invocation, chain_id: ChainId | None, dry_run: bool, **given: Any
) -> None:
    """Replace what applications may do on a chain."""

    async def body(session: Session) -> None:
        chain = await session.chain(chain_id)
        operation = ChangeApplicationPermissions(permissions_of(given))
        made = await make_block(session, chain, (operation,), dry_run=dry_run)
        if made is not None:
            session.output.result(block_data(made))

    invocation.run(body)
