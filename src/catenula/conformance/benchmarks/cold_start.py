"""The process behind ``app_cold_start_ms``: ``python -m`` this module create|operate FOLDER.

``create`` makes a network in the folder with an application of a large contract. ``operate`` starts
it again, makes one block that runs no application, and prints how many milliseconds the first block
takes that runs this one: engine, machine code from the cache, and the block itself at all nodes.
"""

import asyncio
import sys
import time
from pathlib import Path

from catenula.base.identifiers import ApplicationId
from catenula.conformance.benchmarks.guests import calling_service, large_contract
from catenula.conformance.benchmarks.networks import FUNDS, SMALLEST_PAYMENT, running_network

_NAME = "application.txt"


async def _create(folder: Path) -> None:
    async with running_network(folder) as network:
        chain = (await network.wallet("payer", FUNDS)).chain
        application_id = await chain.publish_and_create(large_contract(), calling_service())
        (folder / _NAME).write_text(str(application_id))
        await network.settled()


async def _operate(folder: Path) -> float:
    async with running_network(folder) as network:
        chain = (await network.wallet("payer")).chain
        await chain.transfer(chain, SMALLEST_PAYMENT)
        application_id = ApplicationId.parse((folder / _NAME).read_text())
        started = time.perf_counter()
        await chain.operate(application_id, b"")
        return (time.perf_counter() - started) * 1e3


if __name__ == "__main__":
    place = Path(sys.argv[2])
    place.mkdir(parents=True, exist_ok=True)
    if sys.argv[1] == "create":
        asyncio.run(_create(place))
    else:
        sys.stdout.write(str(asyncio.run(_operate(place))))
