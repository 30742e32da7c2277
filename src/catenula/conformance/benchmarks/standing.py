"""A process that starts an embedded network and stands idle: ``python -m`` this module.

It says ``ready`` as soon as a block could be committed, then answers one word per line:
``memory`` with its resident megabytes, ``block`` after committing a block. It ends with its input.
Imports stay few: the time they take is part of what is measured.
"""

import asyncio
import sys

from catenula.conformance.benchmarks.memory import resident_megabytes
from catenula.network import Network, NetworkWallet


async def _serve() -> None:
    async with await Network.start() as network:
        wallet = await network.wallet("first", 1)
        _say("ready")
        loop = asyncio.get_running_loop()
        while question := await loop.run_in_executor(None, sys.stdin.readline):
            _say(await _answer(question.strip(), wallet))


async def _answer(question: str, wallet: NetworkWallet) -> str:
    if question == "memory":
        return f"{resident_megabytes():.1f}"
    await wallet.chain.transfer(wallet.chain, 1)
    return "final"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_serve())
