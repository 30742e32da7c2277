"""The client: drives consensus, follows chains, keeps a wallet, and trusts no single validator.

`Client` (one per store and network) gives a `ChainClient` per chain; every flow of spec 07 is one
module of functions over a `ClientContext`. What is named here is loaded on first use: reading a
wallet file must not cost the whole client.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from catenula.client.chain_client import ChainClient
    from catenula.client.chain_listener import ChainListener
    from catenula.client.client import Client, ClientSetup
    from catenula.client.errors import ClientError, NoQuorum
    from catenula.client.faucet_client import FaucetClient
    from catenula.client.inbox_task import InboxTask
    from catenula.client.message_policy import BlanketPolicy, MessagePolicy
    from catenula.client.options import ClientOptions, ListenerOptions
    from catenula.client.outcomes import Committed, Conflict, Outcome, WaitForTimeout
    from catenula.client.remote_node import NodeProvider
    from catenula.client.signers import InMemorySigner, Signer, WalletSigner
    from catenula.client.staging import Estimate
    from catenula.client.wallet import Wallet

__all__ = [
    "BlanketPolicy",
    "ChainClient",
    "ChainListener",
    "Client",
    "ClientError",
    "ClientOptions",
    "ClientSetup",
    "Committed",
    "Conflict",
    "Estimate",
    "FaucetClient",
    "InMemorySigner",
    "InboxTask",
    "ListenerOptions",
    "MessagePolicy",
    "NoQuorum",
    "NodeProvider",
    "Outcome",
    "Signer",
    "WaitForTimeout",
    "Wallet",
    "WalletSigner",
]

_ON_FIRST_USE = {
    "BlanketPolicy": "catenula.client.message_policy",
    "ChainClient": "catenula.client.chain_client",
    "ChainListener": "catenula.client.chain_listener",
    "Client": "catenula.client.client",
    "ClientError": "catenula.client.errors",
    "ClientOptions": "catenula.client.options",
    "ClientSetup": "catenula.client.client",
    "Committed": "catenula.client.outcomes",
    "Conflict": "catenula.client.outcomes",
    "Estimate": "catenula.client.staging",
    "FaucetClient": "catenula.client.faucet_client",
    "InMemorySigner": "catenula.client.signers",
    "InboxTask": "catenula.client.inbox_task",
    "ListenerOptions": "catenula.client.options",
    "MessagePolicy": "catenula.client.message_policy",
    "NoQuorum": "catenula.client.errors",
    "NodeProvider": "catenula.client.remote_node",
    "Outcome": "catenula.client.outcomes",
    "Signer": "catenula.client.signers",
    "WaitForTimeout": "catenula.client.outcomes",
    "Wallet": "catenula.client.wallet",
    "WalletSigner": "catenula.client.signers",
}


def __getattr__(name: str) -> Any:
    module = _ON_FIRST_USE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(module), name)
