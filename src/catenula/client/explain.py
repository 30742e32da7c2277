"""From errors of the local node to errors a person can act on."""

from catenula.base.errors import ProtocolError
from catenula.base.identifiers import AccountOwner, ChainId
from catenula.base.integers import BlockHeight, format_amount, parse_amount
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
    "WasmError": (
        BlockRefused,
        "An application failed",
        "see what it logged: what it was asked to do is at fault, or the application is",
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
    kind, what, advice = _KINDS.get(
        cause.code,
        (
            BlockRefused,
            "The block cannot be executed",
            "change the operation that is named above, then try again",
        ),
    )
    return kind(
        Explanation(what, chain_id, height, reasons=reasons, who=owner, next_step=advice),
        cause=cause.code,
    )


def reasons_of(cause: ProtocolError) -> tuple[Reason, ...]:
    """Why, with a line for each that an application logged before it failed."""
    log = cause.fields.get("log")
    if cause.code != "WasmError" or not log:
        return (Reason(cause.message()),)
    context = getattr(cause, "context", None)
    where = "" if context is None else f" in {context}"
    logged = [line for text in log for line in text.splitlines()]
    return (
        Reason(f"{cause.code}{where}: {cause.fields.get('reason')}"),
        *(Reason(f"it logged: {line}") for line in logged),
    )


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
