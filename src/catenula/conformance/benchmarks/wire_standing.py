"""A process with a network behind real ports: ``python -m`` this module.

It prints one JSON object with the genesis, the key of the root chains and each validator's port,
then obeys one word per line: ``stop N`` and ``start N`` end and restart validator N and its port,
``hang N`` lets its port accept connections and never say a word, ``wake N`` ends that, ``settle``
waits until all is delivered; ``done`` follows each. It ends with its input.
"""

import asyncio
import json
import sys
from typing import Any

from catenula.base.codec import codec_of
from catenula.network import Network
from catenula.protocol import GenesisConfig
from catenula.transport.event_loop import run
from catenula.transport.public_port import PublicServer, serve_public
from catenula.transport.public_service import NodeService

_HOST = "127.0.0.1"


class _Standing:
    """The network and its ports, in the order of the validators."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.servers: list[PublicServer | None] = []
        self.ports: list[int] = []
        self.holes: dict[int, asyncio.Server] = {}

    async def open_all(self) -> None:
        for index in range(len(self.network.validators)):
            self.servers.append(await self._serve(index, 0))
            self.ports.append(self.server(index).port)

    def server(self, index: int) -> PublicServer:
        server = self.servers[index]
        if server is None:
            raise ValueError(f"validator {index} is stopped")
        return server

    async def _serve(self, index: int, port: int) -> PublicServer:
        node: Any = self.network.validators[index].node
        return await serve_public(NodeService(node), host=_HOST, port=port)

    def describe(self) -> dict[str, Any]:
        configuration = self.network.embedded.configuration
        keys = [validator.keys.consensus.public_key() for validator in self.network.validators]
        return {
            "genesis": codec_of(GenesisConfig).to_json(configuration.genesis),
            "root_key": configuration.root_key.to_json(),
            "ports": {str(key): port for key, port in zip(keys, self.ports, strict=True)},
        }

    async def obey(self, word: str, index: int) -> None:
        if word == "stop":
            await self.server(index).close()
            self.servers[index] = None
            await self.network.stop_validator(index)
        elif word == "start":
            await self.network.start_validator(index)
            self.servers[index] = await self._serve(index, self.ports[index])
        elif word == "hang":
            await self.server(index).close()
            self.servers[index] = None
            loop = asyncio.get_running_loop()
            # A protocol without reactions accepts everything and never says a word.
            hole = await loop.create_server(asyncio.Protocol, _HOST, self.ports[index])
            self.holes[index] = hole
        elif word == "wake":
            self.holes.pop(index).close()
            self.servers[index] = await self._serve(index, self.ports[index])
        elif word == "settle":
            await self.network.settled()
        else:
            raise ValueError(f"unknown order {word!r}")

    async def close(self) -> None:
        for hole in self.holes.values():
            hole.close()
        for server in self.servers:
            if server is not None:
                await server.close()
        await self.network.close()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def _serve() -> None:
    standing = _Standing(await Network.start())
    await standing.open_all()
    _say(json.dumps(standing.describe()))
    loop = asyncio.get_running_loop()
    while order := await loop.run_in_executor(None, sys.stdin.readline):
        word, _, index = order.strip().partition(" ")
        await standing.obey(word, int(index or 0))
        _say("done")
    await standing.close()


if __name__ == "__main__":
    run(_serve())
