"""From errors of the local node to errors a person can act on."""

import re

from catenula.base.errors import ProtocolError
from catenula.base.identifiers import AccountOwner, ChainId
from catenula.base.integers import BlockHeight, format_amount, parse_amount
from catenula.base.timestamps import format_timestamp
from catenula.client.errors import (
    BlockRefused,
    ChainClosed,
    ClientError,
    EmptyBlock,
    Explanation,
    InactiveChain,
    InvalidAmount,
    Overdraft,
    Reason,
    UnknownChain,
    WrongOwner,
)
from catenula.client.local_node import original_error
from catenula.protocol import Amount

_KINDS: dict[str, tuple[type[ClientError], str, str]] = {
    "FeesExceedFunding": (
        Overdraft,
        "The chain cannot pay the fees of this block",
        "send tokens to the chain, or put less into the block",
    ),
    "UnauthenticatedTransferOwner": (
        WrongOwner,
        "Who signs the block does not control the account to take from",
        "sign with an owner of the account, or take from another account",
    ),
    "UnauthenticatedClaimOwner": (
        WrongOwner,
        "Who signs the block does not control the account to claim from",
        "sign with the owner of the account",
    ),
    "IncorrectTransferAmount": (
        InvalidAmount,
        "A transfer must move more than zero",
        "give a positive amount",
    ),
    "IncorrectClaimAmount": (
        InvalidAmount,
        "A claim must move more than zero",
        "give a positive amount",
    ),
    "ClosedChain": (
        ChainClosed,
        "The chain is closed: it executes no operations any more",
        "use another chain; a closed chain cannot be opened again",
    ),
    "EmptyBlock": (
        EmptyBlock,
        "There is nothing to put into a block",
        "nothing needs to be done",
    ),
    "InactiveChain": (
        InactiveChain,
        "The chain has no owner or no known committee: nobody can propose its blocks",
        "use another chain; a chain without owners stays deactivated",
    ),
    "MissingCrossChainUpdates": (
        BlockRefused,
        "The block takes in a message that has not arrived at this chain",
        "synchronize the chain; a message that nobody sent cannot be taken in",
    ),
    "UnexpectedMessage": (
        BlockRefused,
        "The block takes in a message that differs from the one that was sent",
        "take in the message as it lies in the inbox",
    ),
    "AuthorizedApplications": (
        BlockRefused,
        "The chain lets only some applications act, and the block asks for something else",
        "use an application that is named above; only one can change the chain's permissions now",
    ),
    "MissingMandatoryApplications": (
        BlockRefused,
        "The chain wants certain applications to have a part in every block",
        "put something for each application that is named above into the block too",
    ),
    "AssertBefore": (
        BlockRefused,
        "An application allows this only before a time that has come",
        "ask the application for what it still allows",
    ),
    "WasmError": (
        BlockRefused,
        "An application failed",
        "change what it was asked to do; if that is right, the application is at fault",
    ),
    "MaximumExecutionTimeExceeded": (
        BlockRefused,
        "An application runs for longer than this node lets it",
        "ask it for less; what never ends cannot become a block",
    ),
    "UnauthorizedHttpRequest": (
        BlockRefused,
        "An application wants to reach a server that this network does not allow",
        "the admin chain decides on the allowed hosts",
    ),
    "ReqwestError": (
        BlockRefused,
        "A server that an application asked has not answered",
        "try again when the server can be reached",
    ),
    "AdminOperationOnNonAdminChain": (
        WrongOwner,
        "Only the admin chain may do this",
        "propose it on the admin chain, with its owner",
    ),
}

_OF_GUESTS = frozenset({"AssertBefore", "ReqwestError", "UnauthorizedHttpRequest"})
"""Rules that only applications can break; the host ends those that do."""

_BYTES = re.compile(r"\[(\d{1,3}(?:, \d{1,3})*)\]")
"""Bytes as applications of the Rust SDK log them."""


def explain_refusal(
    error: ProtocolError,
    chain_id: ChainId,
    *,
    height: BlockHeight | None = None,
    owner: AccountOwner | None = None,
) -> ClientError:
    """The error for a person behind a refusal of the local node; its cause is to be chained."""
    cause = original_error(error)
    if isinstance(cause, ClientError):
        return cause
    reasons = reasons_of(cause)
    if cause.code == "InsufficientBalance":
        return Overdraft(_overdraft(cause, chain_id, height, owner), **cause.fields)
    if cause.code == "BlobsNotFound" and _misses_description(cause):
        return UnknownChain(
            Explanation(
                "This client does not know the chain",
                chain_id,
                reasons=reasons,
                next_step="check the chain id, then synchronize the chain",
            )
        )
    kind, what, advice = _KINDS.get(_rule_of(cause).code) or _any_other(cause)
    return kind(
        Explanation(what, chain_id, height, reasons=reasons, who=owner, next_step=advice),
        cause=cause.code,
    )


def _any_other(cause: ProtocolError) -> tuple[type[ClientError], str, str]:
    place = "what is in the block" if _place_of(cause) is None else "what is named above"
    return BlockRefused, "The block cannot be executed", f"change {place}, then try again"


def _place_of(cause: ProtocolError) -> object:
    """Where in the block an error arose, if it says so."""
    return getattr(cause, "context", None)


def _rule_of(cause: ProtocolError) -> ProtocolError:
    """The rule for applications that one of them broke, if that is why it failed."""
    rule = cause.__cause__
    if cause.code == "WasmError" and isinstance(rule, ProtocolError) and rule.code in _OF_GUESTS:
        return rule
    return cause


def reasons_of(cause: ProtocolError) -> tuple[Reason, ...]:
    """Why, with a line for each that an application logged before it failed."""
    log = cause.fields.get("log") or ()
    if cause.code != "WasmError":
        return (Reason(cause.message()), *_times_of(cause))
    place = _place_of(cause)
    where = "" if place is None else f" in {place}"
    logged = [line for text in log for line in text.splitlines()]
    return (
        Reason(f"{cause.code}{where}: {cause.fields.get('reason')}"),
        *(Reason(f"it logged: {line}{_spelled_out(line)}") for line in logged),
        *_times_of(_rule_of(cause)),
    )


def _times_of(rule: ProtocolError) -> tuple[Reason, ...]:
    """The times of an `AssertBefore` as a person reads them."""
    if rule.code != "AssertBefore":
        return ()
    end, now = rule.fields["timestamp"], rule.fields["local_time"]
    return (
        Reason(f"it is allowed before {format_timestamp(end)}, now is {format_timestamp(now)}"),
    )


def _spelled_out(line: str) -> str:
    """The text that the numbers of a failed decoding stand for, where it is one."""
    found = _BYTES.search(line) if "deserialize" in line else None
    numbers = [int(number) for number in found[1].split(", ")] if found else []
    if not numbers or not all(0x20 <= number < 0x7F for number in numbers):
        return ""
    return f" (the text {bytes(numbers).decode('ascii')})"


def _overdraft(
    cause: ProtocolError,
    chain_id: ChainId,
    height: BlockHeight | None,
    owner: AccountOwner | None,
) -> Explanation:
    account = cause.fields["account"]
    held = format_amount(cause.fields["balance"]).rstrip(".")
    whose = "The chain" if account == AccountOwner.CHAIN else f"The account {account}"
    return Explanation(
        f"{whose} holds {held} tokens, less than is to be taken from it",
        chain_id,
        height,
        reasons=(Reason(cause.message()),),
        who=owner,
        next_step="send less, or first receive what is waiting in the inbox",
    )


def _misses_description(cause: ProtocolError) -> bool:
    return any("ChainDescription" in str(blob_id) for blob_id in cause.fields.get("blob_ids", ()))


def amount_of(text: str) -> Amount:
    """The amount of tokens a person wrote; `InvalidAmount` unless it can be moved."""
    advice = "write a positive number of tokens such as 1.5, with at most 18 decimals"
    try:
        amount = parse_amount(text)
    except ProtocolError as error:
        raise InvalidAmount(
            Explanation(
                f"{text!r} is not an amount of tokens",
                reasons=(Reason(error.message()),),
                next_step=advice,
            )
        ) from error
    if not amount:
        raise InvalidAmount(Explanation("The amount is zero", next_step=advice))
    return amount
