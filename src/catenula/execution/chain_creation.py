"""Opening a child chain: the description that is its identity and its funds (spec 02 §6)."""

from catenula.base.identifiers import ChainId
from catenula.base.integers import U32, Epoch
from catenula.execution import accounts
from catenula.execution.executor import Executor
from catenula.protocol import ChainDescription, Child, InitialChainConfig, OpenChainConfig


def open_chain(executor: Executor, config: OpenChainConfig) -> ChainId:
    """Create a child chain, funded from the chain balance (spec 02 §6)."""
    system, block = executor.system, executor.block
    chain_index = executor.tracker.take_chain_index()
    epochs_known = system.committees.get().keys()
    description = ChainDescription(
        Child(block.chain_id, block.height, U32(chain_index)),
        block.timestamp,
        InitialChainConfig(
            config.ownership,
            system.epoch.get(),
            min(epochs_known, default=Epoch(0)),
            max(epochs_known, default=Epoch(0)),
            config.balance,
            config.application_permissions,
        ),
    )
    accounts.debit(system, accounts.CHAIN, config.balance)
    executor.tracker.add_created_blob(description.blob)
    return description.chain_id
