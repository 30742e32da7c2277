"""Changing the committee: validators added, changed, removed; prices; epochs retired.

Every change is a new epoch: two blocks on the admin chain, made by its owner (spec 07 §9.5).
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.integers import Epoch
from catenula.client.chain_client import ChainClient
from catenula.client.client import Client
from catenula.client.errors import BlockRefused, Explanation
from catenula.client.synchronize import synchronize_chain
from catenula.protocol import (
    BlobContent,
    BlobType,
    Committee,
    ConfirmedBlockCertificate,
    CreateCommittee,
    Operation,
    PublishCommitteeBlob,
    RemoveCommittee,
    ResourceControlPolicy,
    ValidatorState,
)

Edit = Callable[[Committee], Committee | None]
"""Makes the next committee of the current one; None when there is nothing to change."""

Changes = Mapping[Secp256k1PublicKey, ValidatorState | None]
"""The wanted state of validators; None removes one."""


class ChangePlan(Struct, frozen=True):
    """What changes mean for the present committee, each part in key order."""

    additions: tuple[tuple[Secp256k1PublicKey, ValidatorState], ...]
    modifications: tuple[tuple[Secp256k1PublicKey, ValidatorState], ...]
    removals: tuple[Secp256k1PublicKey, ...]

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON data."""
        return {
            "add": [_change_to_json(*item) for item in self.additions],
            "modify": [_change_to_json(*item) for item in self.modifications],
            "remove": [str(key) for key in self.removals],
        }


def _change_to_json(key: Secp256k1PublicKey, state: ValidatorState) -> dict[str, Any]:
    return {
        "public_key": str(key),
        "address": state.network_address,
        "account_key": str(state.account_public_key),
        "votes": int(state.votes),
    }


def plan_changes(committee: Committee, changes: Changes) -> ChangePlan:
    """Sort changes into additions, modifications and removals."""
    wanted = sorted(changes.items(), key=lambda item: item[0].order_key())
    present = committee.validators
    return ChangePlan(
        tuple((key, state) for key, state in wanted if state and key not in present),
        tuple((key, state) for key, state in wanted if state and key in present),
        tuple(key for key, state in wanted if state is None),
    )


def apply_changes(committee: Committee, changes: Changes) -> Committee | None:
    """The committee after the changes; None when only strangers were to be removed."""
    validators = dict(committee.validators)
    touched = False
    for key, state in changes.items():
        if state is not None:
            validators[key] = state
            touched = True
        elif validators.pop(key, None) is not None:
            touched = True
    if not touched:
        return None
    ordered = sorted(validators.items(), key=lambda item: item[0].order_key())
    changed = Committee(dict(ordered), committee.policy)
    changed.check_decoded()
    return changed


def with_policy(committee: Committee, policy: ResourceControlPolicy) -> Committee | None:
    """The committee under another policy; None when it is the same."""
    return None if policy == committee.policy else Committee(committee.validators, policy)


# Blocks of the admin chain


async def admin_chain(client: Client) -> ChainClient:
    """The admin chain, synchronized with the validators."""
    await synchronize_chain(client.context, client.admin_chain_id)
    return client.chain(client.admin_chain_id)


async def change_committee(chain: ChainClient, edit: Edit) -> ConfirmedBlockCertificate | None:
    """Publish the edited committee and start its epoch; None when nothing changes.

    ``chain`` is the admin chain, up to date. Waits through rounds; raises `ClientError`. If another
    block takes a height in between, the edit is made again on what that block left.
    """
    committee = edit(chain.state().current_committee())
    if committee is None:
        return None
    operations, blobs = _publication(committee)
    await chain.commit(operations, blobs)
    if edit(chain.state().current_committee()) != committee:
        raise BlockRefused(
            Explanation(
                "Somebody else changed the committee meanwhile; nothing was changed",
                chain.chain_id,
                chain.state().next_block_height,
                next_step="look at the new committee, then try again",
            )
        )
    epoch = Epoch(chain.state().epoch + 1)
    return await chain.commit((CreateCommittee(epoch, blobs[0].hash),))


def first_block(
    chain: ChainClient, edit: Edit
) -> tuple[tuple[Operation, ...], tuple[BlobContent, ...]] | None:
    """The first block of a change, to be estimated; None when nothing changes."""
    committee = edit(chain.state().current_committee())
    return None if committee is None else _publication(committee)


def _publication(committee: Committee) -> tuple[tuple[Operation, ...], tuple[BlobContent, ...]]:
    blob = BlobContent(BlobType.COMMITTEE, committee.bcs)
    return (PublishCommitteeBlob(blob.hash),), (blob,)


async def revoke_epochs(chain: ChainClient, epoch: Epoch) -> ConfirmedBlockCertificate:
    """Stop trusting all epochs up to this one; it must lie before the current one."""
    return await chain.commit(removals_up_to(chain, epoch))


def removals_up_to(chain: ChainClient, epoch: Epoch) -> tuple[RemoveCommittee, ...]:
    """The operations that retire all active epochs up to this one; `BlockRefused`."""
    system = chain.state().execution.system
    current = system.epoch.get()
    active = sorted(system.committees.get())
    removed = [number for number in active if number <= epoch]
    if epoch >= current:
        raise _cannot_revoke(chain, f"Cannot revoke the current epoch {current}", active)
    if not removed:
        raise _cannot_revoke(chain, f"Epoch {epoch} is already revoked", active)
    return tuple(RemoveCommittee(Epoch(number)) for number in removed)


def _cannot_revoke(chain: ChainClient, what: str, active: list[Epoch]) -> BlockRefused:
    numbers = ", ".join(str(number) for number in active)
    return BlockRefused(
        Explanation(
            what,
            chain.chain_id,
            chain.state().next_block_height,
            next_step=f"name one of the active epochs ({numbers}) below the current one",
        )
    )
