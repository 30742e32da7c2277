"""The first contents of a node's store: genesis committee, network description, root chains."""

from catenula.base.errors import LocalError
from catenula.protocol import GenesisConfig
from catenula.storage.engine import Group
from catenula.storage.shared import SharedOverlay, SharedStore


def genesis_groups(shared: SharedStore, genesis: GenesisConfig) -> list[Group]:
    """The writes that initialise an empty store; none when it belongs to this network already.

    Raises `LocalError` when the store belongs to another network (spec 06 §7).
    """
    description = genesis.network_description()
    existing = shared.network_description()
    if existing is not None:
        if existing != description:
            raise LocalError(
                f"the store {shared.store.name} belongs to network {existing.name!r}, not to "
                f"{description.name!r}; use another store or another genesis file",
                retryable=False,
            )
        return []
    overlay = SharedOverlay(shared)
    overlay.stage_blob(genesis.committee_blob)
    for chain in genesis.chains:
        overlay.stage_blob(chain.blob)
    # The description goes last: a store without it is still empty and is initialised again.
    overlay.stage_network_description(description)
    return overlay.groups()


def initialize_store(shared: SharedStore, genesis: GenesisConfig) -> None:
    """Make the store belong to the network of ``genesis``; repeating it changes nothing."""
    groups = genesis_groups(shared, genesis)
    if groups:
        shared.store.commit(groups)
