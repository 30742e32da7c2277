"""What all commands that make blocks share: waiting through rounds, dry runs, new chains."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from catenula.base.integers import format_amount
from catenula.cli.session import Session
from catenula.client.chain_client import ChainClient
from catenula.client.errors import EmptyBlock
from catenula.client.outcomes import Committed, Conflict, WaitForTimeout
from catenula.client.rehearsal import Rehearsed
from catenula.client.staging import Estimate
from catenula.client.waiting import wait_for_round
from catenula.protocol import BlobContent, ConfirmedBlockCertificate, ExecuteOperation, Operation


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
    with session.progress("making a block"):
        certificate = await chain.commit(operations, blobs)
    await session.note_block(certificate)
    return certificate


def block_data(certificate: ConfirmedBlockCertificate) -> dict[str, Any]:
    """A block that was made, as JSON data."""
    block = certificate.block
    return {
        "chain_id": str(block.chain_id),
        "height": block.height,
        "hash": str(block.hash),
        "round": str(certificate.round),
    }


class Tried(NamedTuple):
    """Operations of a block that was tried, and what it would cost."""

    operations: Sequence[Operation]
    estimate: Estimate


def show_estimate(
    session: Session, chain: ChainClient, *, operations: Sequence[Operation], estimate: Estimate
) -> None:
    """Print what the block would do and cost."""
    show_tried(session, chain, Tried(operations, estimate))


def show_tried(
    session: Session, chain: ChainClient, tried: Tried, *, then: Tried | None = None
) -> None:
    """Print what a block would do and cost, and the one behind it if that was tried, too."""
    height = chain.state().next_block_height
    data, lines = _told(chain, tried, height)
    result = {"dry_run": True, "chain_id": str(chain.chain_id), **data}
    if then is not None:
        result["then"], more = _told(chain, then, height + 1)
        lines += more
    session.output.result(result, "\n".join(lines))


def _told(chain: ChainClient, tried: Tried, height: int) -> tuple[dict[str, Any], list[str]]:
    """A block that was tried as JSON data and as lines for a person."""
    estimate = tried.estimate
    names = [type(operation).__name__ for operation in tried.operations]
    data = {
        "height": height,
        "operations": names,
        "fees": format_amount(estimate.fees),
        "wasm_fuel": estimate.wasm_fuel,
        "block_size": estimate.block_size,
        "messages": estimate.messages,
        "rejected_bundles": estimate.rejected_bundles,
        "dropped_bundles": estimate.dropped_bundles,
    }
    lines = [
        f"would propose block {height} of chain {chain.chain_id}",
        f"operations: {', '.join(names) or 'none'}",
        f"fees: {data['fees']}",
        *([f"fuel: {estimate.wasm_fuel}"] if estimate.wasm_fuel else ()),
        f"size: {estimate.block_size} bytes",
        f"messages sent: {estimate.messages}",
    ]
    if estimate.rejected_bundles or estimate.dropped_bundles:
        lines.append(
            f"incoming bundles rejected: {estimate.rejected_bundles}, "
            f"left for later: {estimate.dropped_bundles}"
        )
    return data, lines


async def try_in_turn(
    session: Session, chain: ChainClient, first: Rehearsed, *, then: Rehearsed
) -> None:
    """Print what two blocks would do and cost, the second of which uses blobs of the first."""
    estimates = await chain.estimate_in_turn(first, then)
    tried, next_tried = map(Tried, (first.operations, then.operations), estimates)
    show_tried(session, chain, tried, then=next_tried)


async def take_in_messages(
    session: Session, chain: ChainClient, *, dry_run: bool
) -> list[ConfirmedBlockCertificate] | None:
    """Blocks of waiting messages until none are left, waiting through rounds; None when dry."""
    if dry_run:
        try:
            estimate = await chain.estimate()
        except EmptyBlock:
            session.output.result({"dry_run": True, "chain_id": str(chain.chain_id)}, "nothing")
        else:
            show_estimate(session, chain, operations=(), estimate=estimate)
        return None
    made: list[ConfirmedBlockCertificate] = []
    with session.progress("taking in messages") as progress:
        while True:
            certificates, stopped = await chain.process_inbox()
            made += certificates
            progress.update(f"taking in messages: {len(made)} blocks")
            if stopped is None:
                break
            if isinstance(stopped, WaitForTimeout):
                await wait_for_round(chain.context, chain.chain_id, stopped)
            else:
                await chain.synchronize()
    for certificate in made:
        await session.note_block(certificate)
    return made


async def show_pending(session: Session, chain: ChainClient) -> None:
    """Print what finishing the pending block would do and cost."""
    await chain.synchronize()
    found = await chain.estimate_pending()
    if found is None:
        session.output.result({"dry_run": True, "chain_id": str(chain.chain_id)}, "nothing")
        return
    block, estimate = found
    operations = [
        item.operation for item in block.transactions if isinstance(item, ExecuteOperation)
    ]
    show_estimate(session, chain, operations=operations, estimate=estimate)


async def finish_pending(session: Session, chain: ChainClient) -> ConfirmedBlockCertificate | None:
    """The block that was pending, once it is final; None when there was none."""
    with session.progress("finishing the block"):
        await chain.synchronize()
        while True:
            outcome = await chain.process_pending_block()
            if isinstance(outcome, Committed):
                break
            if isinstance(outcome, Conflict):
                session.output.warn("another block took the height; this one is given up")
                return None
            await wait_for_round(chain.context, chain.chain_id, outcome)
    if outcome.value is not None:
        await session.note_block(outcome.value)
    return outcome.value
