"""The client: drives consensus, follows chains, keeps a wallet, and trusts no single validator.

`Client` (one per store and network) gives a `ChainClient` per chain; every flow of spec 07 is one
module of functions over a `ClientContext`.
"""

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
