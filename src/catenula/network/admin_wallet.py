"""The wallet and the key store of whoever owns the root chains of a new network."""

from pathlib import Path

from catenula.base.integers import Timestamp
from catenula.client.files.genesis_json import genesis_text
from catenula.client.files.keystore_json import KeyStoreFile
from catenula.client.files.wallet_json import ChainEntry, WalletFile
from catenula.client.wallet import WalletChain
from catenula.network.genesis import RootKeys
from catenula.protocol import GenesisConfig


def write_admin_wallet(
    genesis: GenesisConfig, keys: RootKeys, *, wallet_path: Path, keystore_path: Path
) -> None:
    """The wallet and the key store of whoever owns the root chains; `LocalError` if they exist."""
    KeyStoreFile.create(keystore_path, keys.next_seed, secrets=keys.keys)
    chains = {}
    for chain in genesis.chains:
        owner = next(iter(chain.config.ownership.owners))
        row = WalletChain(owner, timestamp=Timestamp(chain.timestamp))
        chains[chain.chain_id] = ChainEntry.of(row)
    WalletFile.create(wallet_path, genesis_text(genesis), chains)
