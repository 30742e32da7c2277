"""Noticing that a wallet belongs to another network than the one that answers at an address.

Ports and faucets outlive networks that are only tried out. Nothing here is asked while all is well.
Must not change anything: neither the wallet nor the network.
"""

import asyncio

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.limits import FOREIGN_NETWORK_SECONDS
from catenula.client.context import ClientContext
from catenula.client.errors import ClientError, Explanation, ForeignNetwork, NoQuorum, Reason
from catenula.client.remote_node import RemoteNode
from catenula.protocol import NetworkDescription
from catenula.protocol.node_error import (
    CannotResolveValidatorAddress,
    ClientIoError,
    GrpcError,
    ResponseHandlingError,
)

_NO_ANSWER = (CannotResolveValidatorAddress, ClientIoError, GrpcError, ResponseHandlingError)


def own_network(context: ClientContext) -> NetworkDescription:
    """The network whose genesis the client's store was made from."""
    description = context.local.shared.network_description()
    if description is None:
        raise LocalError("the client's store belongs to no network", retryable=False)
    return description


def check_same_network(ours: NetworkDescription, theirs: NetworkDescription, where: str) -> None:
    """Raise `ForeignNetwork` unless what answers at ``where`` is the wallet's network."""
    if theirs != ours:
        raise _foreign(ours, theirs, where)


async def foreign_network(context: ClientContext, failure: ClientError) -> ForeignNetwork | None:
    """That a request failed because the validators are of another network; None unless they are.

    Asks the current committee's addresses, for at most `FOREIGN_NETWORK_SECONDS`, and nobody if
    nobody had answered the request.
    """
    if isinstance(failure, NoQuorum) and not _has_answers(failure):
        return None
    ours, nodes = own_network(context), context.nodes()
    found = await asyncio.gather(*(_network_of(node) for node in nodes))
    told = [(node, theirs) for node, theirs in zip(nodes, found, strict=True) if theirs is not None]
    if not told or any(theirs == ours for _, theirs in told):
        return None
    node, theirs = told[0]
    return _foreign(ours, theirs, node.address)


def _has_answers(failure: NoQuorum) -> bool:
    return any(not isinstance(error, _NO_ANSWER) for error, _ in failure.groups)


async def _network_of(remote: RemoteNode) -> NetworkDescription | None:
    asked = remote.node.get_network_description()
    try:
        return await asyncio.wait_for(asked, FOREIGN_NETWORK_SECONDS)
    except (ProtocolError, LocalError, TimeoutError):
        # The request has failed already, and says why; this one only adds what it can.
        return None


def _foreign(ours: NetworkDescription, theirs: NetworkDescription, where: str) -> ForeignNetwork:
    return ForeignNetwork(
        Explanation(
            f"The wallet belongs to another network than the one at {where}",
            reasons=(
                Reason(f"the wallet's network is {_named(ours)}"),
                Reason(f"the one at {where} is {_named(theirs)}"),
            ),
            next_step="use a wallet of that network, or make one beside this one: catenula "
            "--wallet NEW/wallet.json --keystore NEW/keystore.json wallet init --faucet URL",
        )
    )


def _named(network: NetworkDescription) -> str:
    return f"{network.name} (genesis {str(network.genesis_config_hash)[:10]}…)"
