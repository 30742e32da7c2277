"""Print what happens on a chain, while it happens.

    python follow_chain.py CHAIN_ID [FAUCET_URL] [BLOCKS]

The chain may be anybody's: every block is checked here before it is printed. It ends after so many
blocks (never, if none are given).
"""

import asyncio
import sys

import catenula
from catenula.base.identifiers import ChainId
from catenula.protocol import NewBlock


async def main(chain_id: ChainId, faucet_url: str, blocks: int | None) -> None:
    async with await catenula.connect(faucet_url) as network:
        watcher = await network.wallet("watcher")
        chain = await watcher.follow(chain_id)
        news = chain.notifications()
        await chain.synchronize()
        height = int(await chain.height())
        print(f"{height} blocks so far", flush=True)
        async for notification in news:
            reason = notification.reason
            if isinstance(reason, NewBlock) and reason.height >= height:
                print(f"block {reason.height}: {reason.hash}", flush=True)
                if blocks is not None and reason.height + 1 >= height + blocks:
                    return


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    url = sys.argv[2] if len(sys.argv) > 2 else "http://localhost:8080"
    most = int(sys.argv[3]) if len(sys.argv) > 3 else None
    asyncio.run(main(ChainId.parse(sys.argv[1]), url, most))
