"""Pushing chains to one validator, a member of the committee or not (spec 07 §12.4)."""

from collections.abc import Iterable

from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.identifiers import ChainId
from catenula.client.background import Update
from catenula.client.client import Client
from catenula.client.remote_node import UNKNOWN_KEY, RemoteNode
from catenula.client.updater import bring_up_to_date
from catenula.client.watcher import Span
from catenula.protocol import ChainInfo, ChainInfoResponse
from catenula.transport.validator_node import ValidatorNode


class _AnonymousNode(RemoteNode):
    """A validator whose key nobody has told us.

    Its claims decide only what is sent to it, so nothing depends on who signs them.
    """

    def checked(self, response: ChainInfoResponse, chain_id: ChainId) -> ChainInfo:
        """The info as it is."""
        return response.info


def remote_node(
    client: Client, node: ValidatorNode, public_key: Secp256k1PublicKey | None = None
) -> RemoteNode:
    """The validator as a target of updates; its answers are checked where its key is known.

    Without ``public_key`` it is looked up among the addresses of the current committee.
    """
    if public_key is None:
        for key, state in client.context.committees.current().validators.items():
            if state.network_address.lower() == node.address.lower():
                public_key = key
    if public_key is None:
        return _AnonymousNode(UNKNOWN_KEY, node.address, node)
    return RemoteNode(public_key, node.address, node)


async def push_chains(client: Client, remote: RemoteNode, chain_ids: Iterable[ChainId]) -> int:
    """Send a validator what it lacks of these chains; returns how many were sent.

    The admin chain goes first: the blocks of other chains need its epochs. Raises
    `NodeErrorReceived` or `LocalError` from the validator.
    """
    admin = client.admin_chain_id
    wanted = [chain_id for chain_id in chain_ids if chain_id != admin]
    span = Span(client.context.watcher, "chains", start=0, goal=1 + len(wanted))
    for number, chain_id in enumerate([admin, *wanted]):
        span.reached(number)
        height = client.context.local.known_height(chain_id)
        await bring_up_to_date(client.context, remote, Update(chain_id, height))
    span.reached(1 + len(wanted))
    return 1 + len(wanted)
