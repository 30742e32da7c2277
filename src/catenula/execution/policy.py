"""The fee policy of a committee, prepared once: flags, free applications, prices (spec 02 §14).

`PolicyFacts` answers in constant time what the block executor asks per transaction; a committee
object carries its own.
"""

from collections.abc import Collection
from enum import IntEnum

from catenula.base.identifiers import ApplicationId
from catenula.base.integers import U64_MAX
from catenula.execution.resources import MessageResources
from catenula.protocol import Committee, ResourceControlPolicy

ZERO_HASH_FLAG = "FLAG_ZERO_HASH.linera.network"
HISTORICAL_HASH_FLAG = "FLAG_HISTORICAL_HASH.linera.network"
SHADOW_HASH_FLAG = "FLAG_HISTORICAL_HASH_SHADOW.linera.network"
FREE_REJECT_FLAG = "FLAG_FREE_REJECT.linera.network"
MANDATORY_ACCEPTED_FLAG = "FLAG_MANDATORY_APPS_NEED_ACCEPTED_MESSAGE.linera.network"
FREE_APPLICATION_PREFIX = "FLAG_FREE_APPLICATION_ID_"
FLAG_SUFFIX = ".linera.network"


class HashMode(IntEnum):
    """How the state hash of a block is computed (spec 03 §1)."""

    LEGACY = 0
    ZERO = 1
    SHADOW = 2
    HISTORICAL = 3


def hash_mode_of(allow_list: Collection[str]) -> HashMode:
    """The hash mode the flags in an allow list select; the first match of spec 03 §1 wins."""
    if ZERO_HASH_FLAG in allow_list:
        return HashMode.ZERO
    if HISTORICAL_HASH_FLAG in allow_list:
        return HashMode.HISTORICAL
    if SHADOW_HASH_FLAG in allow_list:
        return HashMode.SHADOW
    return HashMode.LEGACY


def _free_applications(allow_list: frozenset[str]) -> frozenset[ApplicationId]:
    found = set()
    for entry in allow_list:
        if entry.startswith(FREE_APPLICATION_PREFIX) and entry.endswith(FLAG_SUFFIX):
            digits = entry[len(FREE_APPLICATION_PREFIX) : -len(FLAG_SUFFIX)]
            if len(digits) == 64 and all(digit in "0123456789abcdef" for digit in digits):
                found.add(ApplicationId(bytes.fromhex(digits)))
    return frozenset(found)


class PolicyFacts:
    """What a fee policy means, computed once per committee."""

    __slots__ = (
        "allow_list",
        "free_applications",
        "free_reject",
        "hash_mode",
        "limits_block_size",
        "mandatory_needs_accepted",
        "messages_are_free",
        "operations_are_free",
        "policy",
    )

    def __init__(self, policy: ResourceControlPolicy) -> None:
        self.policy = policy
        self.allow_list = frozenset(policy.http_request_allow_list)
        self.hash_mode = hash_mode_of(self.allow_list)
        self.free_reject = FREE_REJECT_FLAG in self.allow_list
        self.mandatory_needs_accepted = MANDATORY_ACCEPTED_FLAG in self.allow_list
        self.free_applications = _free_applications(self.allow_list)
        self.operations_are_free = policy.operation == policy.operation_byte == 0
        self.messages_are_free = policy.message == policy.message_byte == 0
        self.limits_block_size = policy.maximum_block_size != U64_MAX

    def total_price(self, resources: MessageResources) -> int:
        """The grant that buys ``resources``, in attotokens (spec 02 §14.5); not range-checked."""
        policy = self.policy
        return (
            resources.wasm_fuel * policy.wasm_fuel_unit
            + resources.evm_fuel * policy.evm_fuel_unit
            + resources.read_operations * policy.read_operation
            + resources.bytes_runtime * policy.byte_runtime
            + resources.write_operations * policy.write_operation
            + resources.bytes_to_read * policy.byte_read
            + resources.bytes_to_write * policy.byte_written
            + resources.blob_bytes_to_read * policy.blob_byte_read
            + resources.blobs_to_read * policy.blob_read
            + resources.blob_bytes_to_publish * policy.blob_byte_published
            + resources.blobs_to_publish * policy.blob_published
            + resources.messages * policy.message
            + resources.message_size * policy.message_byte
            + resources.storage_size_delta * policy.byte_stored
            + resources.service_as_oracle_queries * policy.service_as_oracle_query
            + resources.http_requests * policy.http_request
        )


def policy_facts(committee: Committee) -> PolicyFacts:
    """The prepared policy of ``committee``, remembered on the committee itself."""
    known: PolicyFacts | None = committee.__dict__.get("policy_facts")
    if known is None:
        known = committee.__dict__["policy_facts"] = PolicyFacts(committee.policy)
    return known
