"""``catenula publish-data-blob`` and ``read-data-blob``."""

from pathlib import Path

import click

from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.cli.chain.blocks import block_data, make_block
from catenula.cli.command import DRY_RUN, Invocation, command
from catenula.cli.parameters import CHAIN_ID, HASH
from catenula.cli.session import Session
from catenula.protocol import BlobId, BlobType, PublishDataBlob, VerifyBlob, data_blob


@command()
@click.argument("path", type=click.Path(path_type=Path))
@click.argument("publisher", type=CHAIN_ID, required=False)
@DRY_RUN
def publish_data_blob(
    invocation: Invocation, path: Path, publisher: ChainId | None, dry_run: bool
) -> None:
    """Publish the file PATH on the chain PUBLISHER; print the hash of the blob."""
    try:
        blob = data_blob(path.read_bytes())
    except OSError as error:
        raise LocalError(f"{path} cannot be read: {error.strerror}", retryable=False) from error

    async def body(session: Session) -> None:
        chain = await session.chain(publisher)
        operations = (PublishDataBlob(blob.hash),)
        made = await make_block(session, chain, operations, blobs=(blob,), dry_run=dry_run)
        if made is not None:
            text = str(blob.hash)
            session.output.result({"blob_hash": text, "block": block_data(made)}, text)

    invocation.run(body)


@command()
@click.argument("hash_", metavar="HASH", type=HASH)
@click.argument("reader", type=CHAIN_ID, required=False)
@DRY_RUN
def read_data_blob(
    invocation: Invocation, hash_: CryptoHash, reader: ChainId | None, dry_run: bool
) -> None:
    """Check, with a block on the chain READER, that a data blob can be read."""

    async def body(session: Session) -> None:
        chain = await session.chain(reader)
        operations = (VerifyBlob(BlobId(hash_, BlobType.DATA)),)
        made = await make_block(session, chain, operations, dry_run=dry_run)
        if made is not None:
            session.output.result(block_data(made))

    invocation.run(body)
