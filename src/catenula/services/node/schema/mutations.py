"""What a node service can be told to do: each mutation becomes a block (spec 08 §2.3).

A mutation waits until its block is final, through rounds that time out, and answers with the
block's hash unless its declaration says otherwise.
"""

from typing import Any

from catenula.base.integers import U32, U32_MAX, U64, Amount, TimeDelta
from catenula.client.applications import last_created
from catenula.protocol import (
    DEFAULT_OWNER_WEIGHT,
    Account,
    ApplicationPermissions,
    BlobId,
    BlobType,
    ChainOwnership,
    ChangeApplicationPermissions,
    ChangeOwnership,
    Claim,
    CloseChain,
    CreateApplication,
    OpenChain,
    OpenChainConfig,
    PublishDataBlob,
    RemoveCommittee,
    Transfer,
    VerifyBlob,
    data_blob,
)
from catenula.protocol.ownership import TimeoutConfig
from catenula.services.node.errors import ServiceRefusal
from catenula.services.node.schema.declaring import Field, record, taken
from catenula.services.node.schema.scalars import COMMITTEE
from catenula.services.node.service import NodeService

_US_PER_MS = 1_000
_NEW_OWNER_ROUNDS = U32(2)
"""Multi-leader rounds of a chain that was handed to another owner."""

Arguments = dict[str, Any]


# Synchronizing and tokens


async def _process_inbox(_root: Any, service: NodeService, arguments: Arguments) -> Any:
    made = await service.process_inbox(arguments["chainId"])
    return [str(certificate.block.hash) for certificate in made]


async def _sync(_root: Any, service: NodeService, arguments: Arguments) -> Any:
    return await service.synchronize(arguments["chainId"])


async def _retry_pending(_root: Any, service: NodeService, arguments: Arguments) -> Any:
    made = await service.retry_pending_block(arguments["chainId"])
    return None if made is None else str(made.block.hash)


async def _transfer(_root: Any, service: NodeService, arguments: Arguments) -> Any:
    recipient: Account = arguments["recipient"]
    operation = Transfer(arguments["owner"], recipient, arguments["amount"])
    return await service.block_hash(arguments["chainId"], operation)


async def _claim(_root: Any, service: NodeService, arguments: Arguments) -> Any:
    operation = Claim(
        arguments["owner"], arguments["targetId"], arguments["recipient"], arguments["amount"]
    )
    return await service.block_hash(arguments["chainId"], operation)


async def _read_data_blob(_root: Any, service: NodeService, arguments: Arguments) -> Any:
    operation = VerifyBlob(BlobId(arguments["hash"], BlobType.DATA))
    return await service.block_hash(arguments["chainId"], operation)


# Chains


async def _open_chain(_root: Any, service: NodeService, arguments: Arguments) -> Any:
    ownership = ChainOwnership.single(arguments["owner"])
    return await _opened(service, arguments, ownership, ApplicationPermissions())


async def _open_multi_owner_chain(_root: Any, service: NodeService, arguments: Arguments) -> Any:
    owners, weights = arguments["owners"], arguments.get("weights")
    if weights is None:
        weights = [DEFAULT_OWNER_WEIGHT] * len(owners)
    _check_weights(owners, weights)
    by_owner = dict(zip(owners, weights, strict=True))
    rounds = arguments.get("multiLeaderRounds")
    ownership = ChainOwnership(
        owners={owner: U64(by_owner[owner]) for owner in sorted(by_owner)},
        multi_leader_rounds=U32(U32_MAX if rounds is None else rounds),
        timeout_config=_timeouts(arguments),
    )
    given = arguments.get("applicationPermissions")
    permissions = ApplicationPermissions() if given is None else _permissions(given)
    return await _opened(service, arguments, ownership, permissions)


def _check_weights(owners: list[Any], weights: list[int]) -> None:
    if len(owners) != len(weights):
        raise ServiceRefusal(f"There are {len(owners)} owners but {len(weights)} weights.")


def _timeouts(arguments: Arguments) -> TimeoutConfig:
    fast = arguments.get("fastRoundMs")
    return TimeoutConfig(
        None if fast is None else _microseconds(fast),
        _microseconds(arguments["baseTimeoutMs"]),
        _microseconds(arguments["timeoutIncrementMs"]),
        _microseconds(arguments["fallbackDurationMs"]),
    )


def _microseconds(milliseconds: int) -> TimeDelta:
    return TimeDelta(milliseconds * _US_PER_MS)


def _permissions(given: Arguments) -> ApplicationPermissions:
    def optional(name: str) -> tuple[Any, ...] | None:
        found = given.get(name)
        return None if found is None else tuple(found)

    return ApplicationPermissions(
        optional("executeOperations"),
        tuple(given.get("mandatoryApplications") or ()),
        tuple(given.get("closeChain") or ()),
        tuple(given.get("changeApplicationPermissions") or ()),
        optional("callServiceAsOracle"),
        optional("makeHttpRequests"),
    )


async def _opened(
    service: NodeService,
    arguments: Arguments,
    ownership: ChainOwnership,
    permissions: ApplicationPermissions,
) -> str:
    config = OpenChainConfig(ownership, arguments.get("balance") or Amount(0), permissions)
    certificate = await service.commit(arguments["chainId"], (OpenChain(config),))
    return str(certificate.block.created_chains()[-1].chain_id)


async def _close_chain(_root: Any, service: NodeService, arguments: Arguments) -> Any:
    chain_id = arguments["chainId"]
    if service.state(chain_id).execution.system.closed.get():
        return None
    return await service.block_hash(chain_id, CloseChain())


async def _change_owner(_root: Any, service: NodeService, arguments: Arguments) -> Any:
    operation = ChangeOwnership(
        (arguments["newOwner"],), (), _NEW_OWNER_ROUNDS, False, TimeoutConfig()
    )
    return await service.block_hash(arguments["chainId"], operation)


async def _change_multiple_owners(_root: Any, service: NodeService, arguments: Arguments) -> Any:
    owners, weights = arguments["newOwners"], arguments["newWeights"]
    _check_weights(owners, weights)
    operation = ChangeOwnership(
        (),
        tuple(zip(owners, map(U64, weights), strict=True)),
        U32(arguments["multiLeaderRounds"]),
        arguments["openMultiLeaderRounds"],
        _timeouts(arguments),
    )
    return await service.block_hash(arguments["chainId"], operation)


async def _change_permissions(_root: Any, service: NodeService, arguments: Arguments) -> Any:
    operation = ChangeApplicationPermissions(_permissions(arguments))
    return await service.block_hash(arguments["chainId"], operation)


# Committees


async def _create_committee(_root: Any, service: NodeService, arguments: Arguments) -> Any:
    given = arguments["committee"]
    names = {"totalVotes": "total_votes", "quorumThreshold": "quorum_threshold"}
    names["validityThreshold"] = "validity_threshold"
    committee = COMMITTEE.from_json({names.get(name, name): part for name, part in given.items()})
    certificate = await service.create_committee(arguments["chainId"], committee)
    return str(certificate.block.hash)


async def _remove_committee(_root: Any, service: NodeService, arguments: Arguments) -> Any:
    return await service.block_hash(arguments["chainId"], RemoveCommittee(arguments["epoch"]))


# Applications and data


async def _publish_module(_root: Any, service: NodeService, arguments: Arguments) -> Any:
    module_id = await service.publish_module(
        arguments["chainId"],
        arguments["contract"],
        arguments["service"],
        vm_runtime=arguments["vmRuntime"],
    )
    return str(module_id)


async def _publish_data_blob(_root: Any, service: NodeService, arguments: Arguments) -> Any:
    blob = data_blob(bytes(arguments["bytes"]))
    await service.commit(arguments["chainId"], (PublishDataBlob(blob.hash),), (blob,))
    return str(blob.hash)


async def _create_application(_root: Any, service: NodeService, arguments: Arguments) -> Any:
    operation = CreateApplication(
        arguments["moduleId"],
        arguments["parameters"].encode(),
        arguments["instantiationArgument"].encode(),
        tuple(arguments["requiredApplicationIds"]),
    )
    certificate = await service.commit(arguments["chainId"], (operation,))
    return str(last_created(certificate))


_TIMEOUTS = (
    "fastRoundMs: Int, baseTimeoutMs: Int! = 10000, timeoutIncrementMs: Int! = 1000, "
    "fallbackDurationMs: Int! = 86400000"
)
_HASH = "CryptoHash!"

_COMMANDS = (
    Field(
        "processInbox(chainId: ChainId!)",
        "[CryptoHash!]!",
        "Take in waiting messages, in as many blocks as that needs.",
        _process_inbox,
    ),
    Field(
        "sync(chainId: ChainId!)",
        "Int!",
        "Fetch what the validators know of a chain; answers with the height of its next block.",
        _sync,
    ),
    Field(
        "retryPendingBlock(chainId: ChainId!)",
        "CryptoHash",
        "Finish a block that was left unfinished; null when there is none.",
        _retry_pending,
    ),
    Field(
        "transfer(chainId: ChainId!, owner: AccountOwner!, recipient: Account!, amount: Amount!)",
        _HASH,
        "Move tokens from an account of this chain.",
        _transfer,
    ),
    Field(
        "claim(chainId: ChainId!, owner: AccountOwner!, targetId: ChainId!, "
        "recipient: Account!, amount: Amount!)",
        _HASH,
        "Fetch tokens from an owner's account on another chain.",
        _claim,
    ),
    Field(
        "readDataBlob(chainId: ChainId!, hash: CryptoHash!)",
        _HASH,
        "Make a block that shows that a data blob can be read.",
        _read_data_blob,
    ),
    Field(
        "openChain(chainId: ChainId!, owner: AccountOwner!, balance: Amount)",
        "ChainId!",
        "Create a chain with one owner; answers with its id.",
        _open_chain,
    ),
    Field(
        "openMultiOwnerChain(chainId: ChainId!, applicationPermissions: ApplicationPermissions, "
        "owners: [AccountOwner!]!, weights: [Int!], multiLeaderRounds: Int, balance: Amount, "
        f"{_TIMEOUTS})",
        "ChainId!",
        "Create a chain with several owners; answers with its id.",
        _open_multi_owner_chain,
    ),
    Field(
        "closeChain(chainId: ChainId!)",
        "CryptoHash",
        "Close a chain; null when it is closed already.",
        _close_chain,
    ),
    Field(
        "changeOwner(chainId: ChainId!, newOwner: AccountOwner!)",
        _HASH,
        "Hand a chain to another owner.",
        _change_owner,
    ),
    Field(
        "changeMultipleOwners(chainId: ChainId!, newOwners: [AccountOwner!]!, "
        "newWeights: [Int!]!, multiLeaderRounds: Int!, openMultiLeaderRounds: Boolean!, "
        f"{_TIMEOUTS})",
        _HASH,
        "Give a chain other owners.",
        _change_multiple_owners,
    ),
    Field(
        "changeApplicationPermissions(chainId: ChainId!, closeChain: [ApplicationId!]!, "
        "executeOperations: [ApplicationId!], mandatoryApplications: [ApplicationId!]!, "
        "changeApplicationPermissions: [ApplicationId!]!, "
        "callServiceAsOracle: [ApplicationId!], makeHttpRequests: [ApplicationId!])",
        _HASH,
        "Change what applications may do on a chain.",
        _change_permissions,
    ),
    Field(
        "createCommittee(chainId: ChainId!, committee: Committee!)",
        _HASH,
        "On the admin chain: make this the committee of the next epoch.",
        _create_committee,
    ),
    Field(
        "removeCommittee(chainId: ChainId!, epoch: Epoch!)",
        _HASH,
        "On the admin chain: stop trusting the committee of an epoch.",
        _remove_committee,
    ),
    Field(
        "publishModule(chainId: ChainId!, contract: Bytecode!, service: Bytecode!, "
        "vmRuntime: VmRuntime!)",
        "ModuleId!",
        "Publish the programs of an application; answers with the module's id.",
        _publish_module,
    ),
    Field(
        "publishDataBlob(chainId: ChainId!, bytes: [Int!]!)",
        _HASH,
        "Publish data; answers with their hash.",
        _publish_data_blob,
    ),
    Field(
        "createApplication(chainId: ChainId!, moduleId: ModuleId!, parameters: String!, "
        "instantiationArgument: String!, requiredApplicationIds: [ApplicationId!]!)",
        "ApplicationId!",
        "Create an application from a module, given texts in JSON; answers with its id.",
        _create_application,
    ),
)

INTEGER_RANGES = {
    **dict.fromkeys(
        (
            f"{field}.{argument}"
            for field in ("openMultiOwnerChain", "changeMultipleOwners")
            for argument in (
                "fastRoundMs",
                "baseTimeoutMs",
                "timeoutIncrementMs",
                "fallbackDurationMs",
            )
        ),
        (U64(2**64 - 1) // _US_PER_MS),
    ),
    "openMultiOwnerChain.weights": 2**64 - 1,
    "openMultiOwnerChain.multiLeaderRounds": U32_MAX,
    "changeMultipleOwners.newWeights": 2**64 - 1,
    "changeMultipleOwners.multiLeaderRounds": U32_MAX,
    "publishDataBlob.bytes": 255,
}
"""The largest number of each argument that is a number; the smallest is 0."""

MUTATIONS = (
    record("MutationRoot", "What can be done. Everything makes blocks.", *_COMMANDS),
    taken(
        "ApplicationPermissions",
        "What applications may do on a chain.",
        Field(
            "executeOperations", "[ApplicationId!]", "Only these may act; null for no restriction."
        ),
        Field(
            "mandatoryApplications = []",
            "[ApplicationId!]!",
            "Every block must do something of each.",
        ),
        Field("closeChain = []", "[ApplicationId!]!", "These may close the chain."),
        Field(
            "changeApplicationPermissions = []",
            "[ApplicationId!]!",
            "These may change permissions.",
        ),
        Field(
            "callServiceAsOracle = null",
            "[ApplicationId!]",
            "Only these may ask services; null for no restriction.",
        ),
        Field(
            "makeHttpRequests = null",
            "[ApplicationId!]",
            "Only these may ask web servers; null for no restriction.",
        ),
    ),
    taken(
        "Committee",
        "The validators of an epoch and what they charge.",
        Field("validators", "JSONObject!", "State of each validator by its public key."),
        Field("totalVotes", "Int!", "The votes of all validators together."),
        Field("quorumThreshold", "Int!", "Votes that make a block final."),
        Field("validityThreshold", "Int!", "Votes among which one honest validator must be."),
        Field("policy", "ResourceControlPolicyScalar!", "Prices and limits."),
    ),
)
"""All types of this part of the interface."""
