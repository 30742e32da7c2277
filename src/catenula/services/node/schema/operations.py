"""Operations of blocks as clients see them, part by part (spec 08 §2.2)."""

from typing import Any

from catenula.base.codec import codec_of, write_json
from catenula.base.integers import format_amount
from catenula.protocol import (
    ApplicationPermissions,
    ChainOwnership,
    ChangeApplicationPermissions,
    ChangeOwnership,
    Claim,
    CreateApplication,
    CreateCommittee,
    ModuleId,
    OpenChain,
    ProcessNewEpoch,
    ProcessRemovedEpoch,
    PublishCommitteeBlob,
    PublishDataBlob,
    PublishModule,
    RemoveCommittee,
    Transfer,
    UpdateStreams,
    UserOperation,
    VerifyBlob,
)
from catenula.protocol.ownership import TimeoutConfig
from catenula.services.node.schema.declaring import (
    Field,
    attribute,
    read,
    record,
    text_of,
)
from catenula.services.node.schema.shared import (
    AMOUNT,
    OWNER,
    RECIPIENT,
    of_kind,
    user_or_system,
)

_ADMIN = (PublishCommitteeBlob, CreateCommittee, RemoveCommittee)
_US_PER_MS = 1_000


def _system_type(operation: Any) -> str:
    return "Admin" if isinstance(operation, _ADMIN) else type(operation).__name__


def _epoch(operation: Any) -> int | None:
    if isinstance(operation, ProcessNewEpoch | ProcessRemovedEpoch):
        return operation.epoch
    return None


def _updates(operation: Any) -> Any:
    return operation.updates if isinstance(operation, UpdateStreams) else None


def _module_json(operation: Any) -> str:
    return _json_text(ModuleId, operation.module_id)


def _json_text(kind: Any, value: Any) -> str:
    return write_json(codec_of(kind).to_json(value))


_OPERATION = record(
    "Operation",
    "What a block does.",
    *user_or_system(
        UserOperation,
        Field("systemOperation", "SystemOperationMetadata", "What the protocol itself does."),
        application="The application that does it.",
        content="What the application is told, in hexadecimal digits.",
    ),
)
_SYSTEM = record(
    "SystemOperationMetadata",
    "Something that the protocol itself does; only the fields of its kind are there.",
    Field("systemOperationType", "String!", "Its kind.", read(_system_type)),
    Field("transfer", "TransferOperationMetadata", "Tokens move.", of_kind(Transfer)),
    Field("claim", "ClaimOperationMetadata", "Tokens are fetched.", of_kind(Claim)),
    Field("openChain", "OpenChainOperationMetadata", "A chain begins.", of_kind(OpenChain)),
    Field(
        "changeOwnership",
        "ChangeOwnershipOperationMetadata",
        "The chain gets other owners.",
        of_kind(ChangeOwnership),
    ),
    Field(
        "changeApplicationPermissions",
        "ChangeApplicationPermissionsMetadata",
        "Applications get other permissions.",
        of_kind(ChangeApplicationPermissions),
    ),
    Field("admin", "AdminOperationMetadata", "Committees change.", of_kind(*_ADMIN)),
    Field(
        "createApplication",
        "CreateApplicationOperationMetadata",
        "An application begins.",
        of_kind(CreateApplication),
    ),
    Field("publishDataBlob", "PublishDataBlobMetadata", "Data appear.", of_kind(PublishDataBlob)),
    Field("verifyBlob", "VerifyBlobMetadata", "A blob is asked for.", of_kind(VerifyBlob)),
    Field("publishModule", "PublishModuleMetadata", "Programs appear.", of_kind(PublishModule)),
    Field("epoch", "Int", "The term that begins or ends for this chain.", read(_epoch)),
    Field("updateStreams", "[UpdateStreamMetadata!]", "Events are taken.", read(_updates)),
)
_TOKENS = (
    record("TransferOperationMetadata", "Tokens move.", OWNER, RECIPIENT, AMOUNT),
    record(
        "ClaimOperationMetadata",
        "Tokens are fetched from another chain.",
        OWNER,
        Field("targetId", "ChainId!", "The chain they are on.", text_of("target_id")),
        RECIPIENT,
        AMOUNT,
    ),
)


# Chains


def _milliseconds(name: str) -> Any:
    def show(config: TimeoutConfig) -> str | None:
        duration = getattr(config, name)
        return None if duration is None else str(duration // _US_PER_MS)

    return read(show)


_CHAINS = (
    record(
        "OpenChainOperationMetadata",
        "A chain begins.",
        Field(
            "balance",
            "Amount!",
            "Tokens it begins with.",
            read(lambda opened: format_amount(opened.config.balance)),
        ),
        Field(
            "ownership",
            "ChainOwnershipMetadata!",
            "Who may propose.",
            read(lambda opened: opened.config.ownership),
        ),
        Field(
            "applicationPermissions",
            "ApplicationPermissionsMetadata!",
            "What applications may do.",
            read(lambda opened: opened.config.application_permissions),
        ),
    ),
    record(
        "ChainOwnershipMetadata",
        "Who may propose blocks.",
        Field(
            "ownershipJson",
            "String!",
            "A text in JSON.",
            read(lambda ownership: _json_text(ChainOwnership, ownership)),
        ),
    ),
    record(
        "ApplicationPermissionsMetadata",
        "What applications may do.",
        Field(
            "permissionsJson",
            "String!",
            "A text in JSON.",
            read(lambda permissions: _json_text(ApplicationPermissions, permissions)),
        ),
    ),
    record(
        "ChangeOwnershipOperationMetadata",
        "The chain gets other owners.",
        Field(
            "superOwners",
            "[AccountOwner!]!",
            "Those who may use the fast round.",
            read(lambda change: [str(owner) for owner in change.super_owners]),
        ),
        Field("owners", "[OwnerWithWeight!]!", "The others.", attribute("owners")),
        Field(
            "multiLeaderRounds",
            "Int!",
            "How many rounds are open to every owner.",
            attribute("multi_leader_rounds"),
        ),
        Field(
            "openMultiLeaderRounds",
            "Boolean!",
            "Whether these are open to anybody.",
            attribute("open_multi_leader_rounds"),
        ),
        Field(
            "timeoutConfig",
            "TimeoutConfigMetadata!",
            "How long rounds last.",
            attribute("timeout_config"),
        ),
    ),
    record(
        "OwnerWithWeight",
        "An owner and how often it leads.",
        Field("owner", "AccountOwner!", "The owner.", read(lambda pair: str(pair[0]))),
        Field("weight", "String!", "Its weight.", read(lambda pair: str(pair[1]))),
    ),
    record(
        "TimeoutConfigMetadata",
        "How long rounds last, in milliseconds.",
        Field("fastRoundMs", "String", "The fast round.", _milliseconds("fast_round_duration")),
        Field("baseTimeoutMs", "String!", "The first others.", _milliseconds("base_timeout")),
        Field(
            "timeoutIncrementMs",
            "String!",
            "How much longer each further round lasts.",
            _milliseconds("timeout_increment"),
        ),
        Field(
            "fallbackDurationMs",
            "String!",
            "How long validators wait until they propose themselves.",
            _milliseconds("fallback_duration"),
        ),
    ),
    record(
        "ChangeApplicationPermissionsMetadata",
        "Applications get other permissions.",
        Field(
            "permissions",
            "ApplicationPermissionsMetadata!",
            "What they may do from then on.",
            attribute("permissions"),
        ),
    ),
)


# Committees, applications, data


def _admin_epoch(operation: Any) -> int | None:
    return getattr(operation, "epoch", None)


def _admin_blob(operation: Any) -> str | None:
    found = getattr(operation, "blob_hash", None)
    return None if found is None else str(found)


_OTHERS = (
    record(
        "AdminOperationMetadata",
        "Committees change.",
        Field(
            "adminOperationType",
            "String!",
            "`PublishCommitteeBlob`, `CreateCommittee` or `RemoveCommittee`.",
            read(lambda operation: type(operation).__name__),
        ),
        Field("epoch", "Int", "The committee's term.", read(_admin_epoch)),
        Field("blobHash", "CryptoHash", "The committee's blob.", read(_admin_blob)),
    ),
    record(
        "CreateApplicationOperationMetadata",
        "An application begins.",
        Field("moduleId", "String!", "Its module, a text in JSON.", read(_module_json)),
        Field(
            "parametersHex",
            "String!",
            "Its parameters in hexadecimal digits.",
            read(lambda operation: operation.parameters.hex()),
        ),
        Field(
            "instantiationArgumentHex",
            "String!",
            "Its argument in hexadecimal digits.",
            read(lambda operation: operation.instantiation_argument.hex()),
        ),
        Field(
            "requiredApplicationIds",
            "[ApplicationId!]!",
            "Applications it relies on.",
            read(lambda operation: [str(each) for each in operation.required_application_ids]),
        ),
    ),
    record(
        "PublishDataBlobMetadata",
        "Data appear.",
        Field("blobHash", "CryptoHash!", "Their hash.", text_of("blob_hash")),
    ),
    record(
        "VerifyBlobMetadata",
        "A blob is asked for.",
        Field("blobId", "String!", "Its kind and hash.", text_of("blob_id")),
    ),
    record(
        "PublishModuleMetadata",
        "Programs appear.",
        Field("moduleId", "String!", "The module, a text in JSON.", read(_module_json)),
    ),
    record(
        "UpdateStreamMetadata",
        "Events of a stream are taken.",
        Field("chainId", "ChainId!", "Who publishes.", read(lambda update: str(update[0]))),
        Field("streamId", "String!", "The stream.", read(lambda update: str(update[1]))),
        Field("nextIndex", "Int!", "The event that comes next.", read(lambda update: update[2])),
    ),
)

OPERATIONS = (_OPERATION, _SYSTEM, *_TOKENS, *_CHAINS, *_OTHERS)
"""All types of this part of the interface."""
