"""The faucet: one chain for everybody, over GraphQL (spec 08 §3).

server = await start_faucet(Faucet(client, chain_id, genesis=genesis, options=options))
…
await server.close()
"""

from typing import TYPE_CHECKING

from catenula.services.faucet.faucet import Faucet
from catenula.services.faucet.options import FaucetOptions

if TYPE_CHECKING:
    from catenula.services.faucet.server import FaucetServer

__all__ = ["Faucet", "FaucetOptions", "start_faucet"]


async def start_faucet(faucet: Faucet) -> "FaucetServer":
    """Start a faucet and open its ports; the answer's ``port`` is the real one.

    The chain's client stays with the caller. Raises `ClientError` when the validators cannot be
    reached, `LocalError` for a port or the database.
    """
    from catenula.services.faucet.server import FaucetServer

    server = FaucetServer(faucet)
    await server.start()
    return server
