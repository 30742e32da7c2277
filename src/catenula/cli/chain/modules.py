"""``catenula publish-module`` and its variants, and what they share with creating applications."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from catenula.base.codec import codec_of
from catenula.base.errors import LocalError
from catenula.base.identifiers import AccountOwner, ApplicationId, ChainId
from catenula.cli.chain.blocks import block_data, make_block, take_in_messages, try_in_turn
from catenula.cli.command import DRY_RUN, Invocation, combined, command
from catenula.cli.parameters import APPLICATION_ID, CHAIN_ID
from catenula.cli.session import Session
from catenula.client.applications import Module, make_module
from catenula.client.module_check import check_module
from catenula.client.rehearsal import Rehearsed
from catenula.client.staging import identity
from catenula.protocol import (
    ModuleId,
    PublishDataBlob,
    PublishModule,
    UserOperation,
    VmRuntime,
    data_blob,
)
from catenula.validator.default_applications import default_applications

_Declared = Callable[[Any], Any]

FILE = click.Path(path_type=Path)
VM_RUNTIME: _Declared = click.option(
    "--vm-runtime",
    type=click.Choice(["wasm", "evm"]),
    default="wasm",
    show_default=True,
    help="What the bytecode is made for.",
)

PUBLISHER: _Declared = click.argument("publisher", type=CHAIN_ID, required=False)

_WRITE = 0
"""The operation of a registry of formats that binds a blob to a module."""


bytecode_arguments = combined(
    click.argument("contract", type=FILE),
    click.argument("service", type=FILE),
    click.option("--unchecked", is_flag=True, help="Publish even what no node can run."),
)
"""The files of a module, for `given_module`."""


def given_module(options: Mapping[str, Any]) -> Module:
    """The module that `bytecode_arguments` and `VM_RUNTIME` name; see `read_module`."""
    return read_module(
        options["contract"],
        options["service"],
        options["vm_runtime"],
        is_checked=not options["unchecked"],
    )


def read_module(
    contract: Path, service: Path, vm_runtime: str, *, is_checked: bool = True
) -> Module:
    """Read and compress bytecode, and try whether it can run.

    Raises `LocalError` for a file that cannot be read, `ModuleUnusable`.
    """
    module = make_module(
        read_file(contract, "contract bytecode"),
        read_file(service, "service bytecode"),
        vm_runtime=VmRuntime.parse_text(vm_runtime),
    )
    if is_checked:
        check_module(default_applications(), module)
    return module


def read_file(path: Path, what: str) -> bytes:
    """The bytes of a file; `LocalError` says what it should have held."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise LocalError(
            f"the {what} cannot be read from {path}: {error.strerror}", retryable=False
        ) from error


@command()
@bytecode_arguments
@PUBLISHER
@VM_RUNTIME
@DRY_RUN
def publish_module(
    invocation: Invocation, publisher: ChainId | None, dry_run: bool, **bytecode: Any
) -> None:
    """Publish the bytecode CONTRACT and SERVICE on the chain PUBLISHER; print the module's id."""
    module = given_module(bytecode)

    async def body(session: Session) -> None:
        chain = await session.chain(publisher)
        operations = (PublishModule(module.module_id),)
        made = await make_block(session, chain, operations, blobs=module.blobs, dry_run=dry_run)
        if made is not None:
            text = str(module.module_id)
            session.output.result({"module_id": text, "block": block_data(made)}, text)

    invocation.run(body)


@command()
@bytecode_arguments
@click.argument("formats", type=FILE)
@click.argument("registry", metavar="REGISTRY_APPLICATION_ID", type=APPLICATION_ID)
@PUBLISHER
@VM_RUNTIME
@DRY_RUN
def publish_module_with_formats(
    invocation: Invocation,
    formats: Path,
    registry: ApplicationId,
    publisher: ChainId | None,
    dry_run: bool,
    **bytecode: Any,
) -> None:
    """Publish bytecode and the file FORMATS, which tells what its data look like.

    FORMATS is published as a data blob, in a block of its own; the next block publishes the module
    and registers the blob for it with the application REGISTRY_APPLICATION_ID. Prints the module's
    id.
    """
    module = given_module(bytecode)
    blob = data_blob(read_file(formats, "description of the formats"))

    async def body(session: Session) -> None:
        chain = await session.chain(publisher)
        owner = await identity(chain.context, chain.session)
        write = _write(owner, module.module_id, bytes(blob.hash))
        operations = (PublishModule(module.module_id), UserOperation(registry, write))
        publish = Rehearsed((PublishDataBlob(blob.hash),), (blob,))
        if dry_run:
            await try_in_turn(session, chain, publish, then=Rehearsed(operations, module.blobs))
            return
        await make_block(session, chain, publish.operations, blobs=publish.blobs)
        made = await make_block(session, chain, operations, blobs=module.blobs)
        await take_in_messages(session, chain, dry_run=False)
        if made is not None:
            text = str(module.module_id)
            data = {"module_id": text, "formats": str(blob.hash), "block": block_data(made)}
            session.output.result(data, text)

    invocation.run(body)


def _write(owner: AccountOwner, module_id: ModuleId, blob_hash: bytes) -> bytes:
    return bytes((_WRITE,)) + bytes(owner) + codec_of(ModuleId).to_bcs(module_id) + blob_hash
