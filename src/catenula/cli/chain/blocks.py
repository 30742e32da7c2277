"""What all commands that make blocks share: waiting through rounds, dry runs, new chains."""

from collections.abc import Sequence
from typing import Any

from catenula.base.integers import format_amount
from catenula.cli.session import Session
from catenula.client.chain_client import ChainClient
from catenula.client.staging import Estimate
from catenula.protocol import BlobContent, ConfirmedBlockCertificate, Operation


async def make_block(
    session: Session,
    chain: ChainClient,
    operations: Sequence[Operation],
    *,
    blobs: Sequence[BlobContent] = (),
    dry_run: bool = False,
) -> ConfirmedBlockCertificate | None:
    """One block with these operations, waiting through rounds; None after a dry run.

    Raises `ClientError`.
    """
    if dry_run:
        estimate = await chain.estimate(operations, blobs)
        show_estimate(session, chain, operations=operations, estimate=estimate)
        return None
    with session.output.progress("making a block"):
        return await chain.commit(operations, blobs)


def block_data(certificate: ConfirmedBlockCertificate) -> dict[str, Any]:
    """A block that was made, as JSON data."""
    block = certificate.block
    return {
        "chain_id": str(block.chain_id),
        "height": block.height,
        "hash": str(block.hash),
        "round": str(certificate.round),
    }


def show_estimate(
    session: Session, chain: ChainClient, *, operations: Sequence[Operation], estimate: Estimate
) -> None:
    """Print what the block would do and cost."""
    height = chain.state().next_block_height
    names = [type(operation).__name__ for operation in operations]
    data = {
        "dry_run": True,
        "chain_id": str(chain.chain_id),
        "height": height,
        "operations": names,
        "fees": format_amount(estimate.fees),
        "block_size": estimate.block_size,
        "messages": estimate.messages,
        "rejected_bundles": estimate.rejected_bundles,
        "dropped_bundles": estimate.dropped_bundles,
    }
    lines = [
        f"would propose block {height} of chain {chain.chain_id}",
        f"operations: {', '.join(names) or 'none'}",
        f"fees: {data['fees']}",
        f"size: {estimate.block_size} bytes",
        f"messages sent: {estimate.messages}",
    ]
    if estimate.rejected_bundles or estimate.dropped_bundles:
        lines.append(
            f"incoming bundles rejected: {estimate.rejected_bundles}, "
            f"left for later: {estimate.dropped_bundles}"
        )
    session.output.result(data, "\n".join(lines))
