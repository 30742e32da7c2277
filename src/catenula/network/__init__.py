"""The local network: validators with stores and keys of their own, for development and tests.

`Network` is for programs that use ``asyncio``, `SyncNetwork` for all others. docs/guide.md shows
both. Nothing in production needs this layer.
"""

from catenula.base.collector import collector_paused

with collector_paused():
    from catenula.network.chain import NetworkChain, Receipt
    from catenula.network.configuration import NetworkShape
    from catenula.network.network import Network
    from catenula.network.sync import SyncChain, SyncNetwork, SyncWallet
    from catenula.network.wallet import NetworkWallet

__all__ = [
    "Network",
    "NetworkChain",
    "NetworkShape",
    "NetworkWallet",
    "Receipt",
    "SyncChain",
    "SyncNetwork",
    "SyncWallet",
]
