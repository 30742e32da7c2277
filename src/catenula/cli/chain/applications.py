"""``catenula create-application``, ``publish-and-create`` and what is done with applications."""

from collections.abc import Callable
from typing import Any

import click

from catenula.base.codec import codec_of, write_json
from catenula.base.errors import DecodeError
from catenula.base.identifiers import ApplicationId, ChainId, decode_hex
from catenula.cli.chain.blocks import block_data, make_block, try_in_turn
from catenula.cli.chain.modules import (
    FILE,
    PUBLISHER,
    VM_RUNTIME,
    bytecode_arguments,
    given_module,
    read_file,
)
from catenula.cli.command import DRY_RUN, Invocation, command
from catenula.cli.errors import Failure
from catenula.cli.parameters import (
    APPLICATION_ID,
    CHAIN_ID,
    JSON_TEXT,
    MODULE_ID,
    ManyValues,
    in_words,
)
from catenula.cli.session import Session
from catenula.client.applications import Module, last_created
from catenula.client.chain_client import ChainClient
from catenula.client.rehearsal import Rehearsed
from catenula.protocol import (
    ApplicationDescription,
    CreateApplication,
    ModuleId,
    PublishModule,
    UserOperation,
)

_NOTHING = b"null"


def creation_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what an application is created with."""
    for option in (
        click.option(
            "--required-application-ids",
            cls=ManyValues,
            multiple=True,
            type=APPLICATION_ID,
            help="Applications that the new one relies on.",
        ),
        click.option("--json-argument-path", type=FILE, help="A file with the argument as JSON."),
        click.option(
            "--json-argument", type=JSON_TEXT, help="What it is instantiated with, as JSON."
        ),
        click.option(
            "--json-parameters-path", type=FILE, help="A file with the parameters as JSON."
        ),
        click.option(
            "--json-parameters", type=JSON_TEXT, help="What is the same on every chain, as JSON."
        ),
    ):
        function = option(function)
    return function


def creation(module_id: ModuleId, options: dict[str, Any]) -> CreateApplication:
    """The operation for these options; wrong usage when text and file are both given."""
    return CreateApplication(
        module_id,
        _json_of(options, "json_parameters"),
        _json_of(options, "json_argument"),
        tuple(options["required_application_ids"]),
    )


def _json_of(options: dict[str, Any], name: str) -> bytes:
    text, path = options[name], options[f"{name}_path"]
    if text is not None and path is not None:
        option = f"--{name.replace('_', '-')}"
        raise click.UsageError(f"give {option} or {option}-path, not both")
    if path is None:
        return text or _NOTHING
    content = read_file(path, "JSON").decode("utf-8", "replace")
    compact: bytes = JSON_TEXT.convert(content, None, None)
    return compact


async def create(
    session: Session, chain: ChainClient, operation: CreateApplication, *, dry_run: bool
) -> None:
    """Make the block that creates an application and print its id."""
    made = await make_block(session, chain, (operation,), dry_run=dry_run)
    if made is not None:
        text = str(last_created(made))
        session.output.result({"application_id": text, "block": block_data(made)}, text)


@command()
@click.argument("module_id", type=MODULE_ID)
@click.argument("creator", type=CHAIN_ID, required=False)
@creation_options
@DRY_RUN
def create_application(
    invocation: Invocation,
    module_id: ModuleId,
    creator: ChainId | None,
    dry_run: bool,
    **options: Any,
) -> None:
    """Create an application from the module MODULE_ID on the chain CREATOR; print its id."""
    operation = creation(module_id, options)

    async def body(session: Session) -> None:
        await create(session, await session.chain(creator), operation, dry_run=dry_run)

    invocation.run(body)


@command()
@bytecode_arguments
@PUBLISHER
@VM_RUNTIME
@creation_options
@DRY_RUN
def publish_and_create(
    invocation: Invocation, publisher: ChainId | None, dry_run: bool, **options: Any
) -> None:
    """Publish CONTRACT and SERVICE and create an application of them; print its id.

    This takes two blocks on the chain PUBLISHER.
    """
    module = given_module(options)
    operation = creation(module.module_id, options)
    publish_then_create(invocation, publisher, module=module, operation=operation, dry_run=dry_run)


def publish_then_create(
    invocation: Invocation,
    publisher: ChainId | None,
    *,
    module: Module,
    operation: CreateApplication,
    dry_run: bool,
) -> None:
    """Publish a module in one block, create an application of it in the next; print its id.

    A dry run tries both and tells what each would cost.
    """
    publish = Rehearsed((PublishModule(module.module_id),), module.blobs)

    async def body(session: Session) -> None:
        chain = await session.chain(publisher)
        if dry_run:
            await try_in_turn(session, chain, publish, then=Rehearsed((operation,)))
            return
        await make_block(session, chain, publish.operations, blobs=publish.blobs)
        await create(session, chain, operation, dry_run=False)

    invocation.run(body)


@command()
@click.argument("application_id", type=APPLICATION_ID)
def describe_application(invocation: Invocation, application_id: ApplicationId) -> None:
    """Show what an application was made from."""

    async def body(session: Session) -> None:
        chain = await session.chain(None)
        description = await chain.describe_application(application_id)
        data = codec_of(ApplicationDescription).to_json(description)
        session.output.result(data, write_json(data, indent=2))

    invocation.run(body)


def _operation(text: str) -> bytes:
    """Bytes in hex; other text is refused like bytes that are no operation: with exit status 1."""
    try:
        return decode_hex(text, "operation")
    except DecodeError as error:
        raise Failure(f"--operation {text!r} is not in hex: {in_words(error)}") from error


@command()
@click.option("--application-id", type=APPLICATION_ID, required=True, help="The application.")
@click.option("--operation", required=True, help="The operation as the contract reads it, in hex.")
@click.option("--chain-id", type=CHAIN_ID, help="The chain (default: the wallet's default chain).")
@DRY_RUN
def execute_operation(
    invocation: Invocation,
    application_id: ApplicationId,
    operation: str,
    chain_id: ChainId | None,
    dry_run: bool,
) -> None:
    """Execute one operation of an application, given as bytes."""
    content = _operation(operation)

    async def body(session: Session) -> None:
        chain = await session.chain(chain_id)
        operations = (UserOperation(application_id, content),)
        made = await make_block(session, chain, operations, dry_run=dry_run)
        if made is not None:
            results = [result.hex() for result in made.block.body.operation_results]
            session.output.result({"results": results, "block": block_data(made)})

    invocation.run(body)
