"""Following a chain only so far: up to a height, or to blocks of a time (spec 07 §6.2)."""

from typing import NamedTuple

from catenula.base.identifiers import ChainId
from catenula.base.integers import BlockHeight, Timestamp
from catenula.client.context import ClientContext
from catenula.client.processing import process_certificate
from catenula.client.remote_node import RemoteNode
from catenula.client.synchronize import fetch_chain_info, follow_quorum
from catenula.client.watcher import Span
from catenula.protocol import ChainInfo, ChainInfoQuery, ConfirmedBlockCertificate
from catenula.worker import ProcessMode


class Until(NamedTuple):
    """Where to stop: before this height, and before the first block of this time or later."""

    next_height: BlockHeight | None = None
    block_time: Timestamp | None = None

    def includes(self, certificate: ConfirmedBlockCertificate) -> bool:
        """Whether a block is still to be taken."""
        header = certificate.block.header
        if self.next_height is not None and header.height >= self.next_height:
            return False
        return self.block_time is None or header.timestamp < self.block_time


async def synchronize_partly(context: ClientContext, chain_id: ChainId, until: Until) -> ChainInfo:
    """Bring the local copy to ``until``; consensus of the next height is not looked at.

    Raises `NoQuorum`, `UnknownChain`.
    """
    await fetch_chain_info(context, chain_id)

    async def follow(remote: RemoteNode) -> bool:
        info = await remote.chain_info(ChainInfoQuery(chain_id))
        async with context.synchronizing.lock(chain_id):
            await _download(context, remote, info, until)
        return True

    return await follow_quorum(context, chain_id, follow)


async def _download(
    context: ClientContext, remote: RemoteNode, info: ChainInfo, until: Until
) -> None:
    chain_id, size = info.chain_id, context.options.certificate_batch_size
    last = info.next_block_height
    if until.next_height is not None:
        last = min(last, until.next_height)
    first = context.local.chain(chain_id).next_block_height
    span = Span(context.watcher, chain_id, start=first, goal=last)
    while (start := context.local.chain(chain_id).next_block_height) < last:
        heights = [BlockHeight(height) for height in range(start, min(last, start + size))]
        for certificate in await remote.certificates_by_heights(chain_id, heights):
            if not until.includes(certificate):
                return
            await process_certificate(
                context, certificate, mode=ProcessMode.EXECUTE, sources=(remote,)
            )
            span.reached(certificate.block.height + 1)
