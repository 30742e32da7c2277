"""Comparing a chain's state after a replay with the last answer of the recorded network.

Compared is what blocks determine. The manager's round and its time-out also depend on timeout
certificates, which a history does not hold.
"""

from collections.abc import Iterator
from typing import Any

from catenula.base.identifiers import AccountOwner
from catenula.conformance.differences import Difference, differences
from catenula.conformance.history import FinalState
from catenula.protocol import ChainInfo, ChainOwnership

_OWNER_KINDS = ("Reserved", "Address32", "Address20")


def final_differences(
    info: ChainInfo, recorded: FinalState, *, is_complete: bool
) -> Iterator[Difference]:
    """Where ``info`` is not what the network said at the end.

    What other chains sent counts only when the history ``is_complete``.
    """
    expected = {**recorded["final_info"], "description": recorded["description_bcs"]}
    expected["ownership"] = expected["manager"]["ownership"]
    found = _recorded_form(info)
    if not is_complete:
        del found["count_received_log"]
    for field, value in found.items():
        yield from differences(f"final_info.{field}", value, expected[field])


def _recorded_form(info: ChainInfo) -> dict[str, Any]:
    """The compared fields, in the notation of the recording."""
    return {
        "next_block_height": info.next_block_height,
        "block_hash": _text(info.block_hash),
        "state_hash": _text(info.state_hash),
        "epoch": info.epoch,
        "timestamp": info.timestamp,
        "description": None if info.description is None else info.description.bcs.hex(),
        "ownership": _ownership(info.manager.ownership),
        "chain_balance": info.chain_balance,
        "requested_owner_balance": info.requested_owner_balance,
        "count_received_log": info.count_received_log,
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _ownership(ownership: ChainOwnership) -> dict[str, Any]:
    timeouts = ownership.timeout_config
    return {
        "super_owners": [_owner(owner) for owner in ownership.super_owners],
        "owners": [[_owner(owner), weight] for owner, weight in ownership.owners.items()],
        "multi_leader_rounds": ownership.multi_leader_rounds,
        "open_multi_leader_rounds": ownership.open_multi_leader_rounds,
        "timeout_config": {
            name: getattr(timeouts, name) for name in type(timeouts).__struct_fields__
        },
    }


def _owner(owner: AccountOwner) -> dict[str, Any]:
    kind, payload = _OWNER_KINDS[owner[0]], owner[1:]
    return {kind: payload[0] if kind == "Reserved" else payload.hex()}
