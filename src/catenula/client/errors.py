"""What can go wrong for the user of a client, in words for a person and as JSON for a program.

    ClientError            says what, where, why, who, and what to do next
      UnknownChain         the chain's description is found nowhere
      InactiveChain        the chain has no owner or no committee: it is deactivated for good
      ChainClosed          the chain takes no operations any more
      NoOwnerConfigured    the wallet has no owner for the chain: it is read-only
      NotAnOwner           the owner may not propose on the chain
      MissingKey           the signer does not hold the owner's key
      WrongOwner           the signer of the block does not control the account
      Overdraft            an account does not hold the amount (or the fees)
      InvalidAmount        the amount is not a positive number of tokens
      EmptyBlock           there is nothing to put into a block
      BlockRefused         the block cannot be executed for another reason
      ModuleUnusable       a module that was to be published can run on no node
      QueryRefused         an application did not answer a query
      CannotPropose        this owner cannot propose in any round it can reach
      BlockConflict        another block took the height
      NoQuorum             too few validators agreed; has each one's reason
      UntrustedCertificate a certificate of an epoch whose committee is not (or no longer) known
      WalletAhead          the wallet knows more of the chain than the local node
      LocalNodeLagging     (inside) a validator is ahead of the local node
      DownloadFailed       no validator could give what was asked for
      ForeignNetwork       the wallet belongs to another network than the one that answers

All are `ProtocolError`; failures of this machine stay `LocalError`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from catenula.base.errors import ProtocolError
from catenula.base.identifiers import AccountOwner, ChainId
from catenula.base.integers import BlockHeight
from catenula.protocol import NodeError, Round
from catenula.protocol.node_error import ResponseHandlingError, describe_node_error

if TYPE_CHECKING:
    from catenula.client.remote_node import RemoteNode


class Reason(Struct, frozen=True):
    """Why, according to whom; without a validator it is the local node's reason."""

    text: str
    validator: str | None = None
    address: str | None = None
    weight: int | None = None

    def line(self) -> str:
        """One line for a person."""
        if self.validator is None:
            return self.text
        return f"{self.address} ({self.validator[:10]}…, {self.weight} votes): {self.text}"

    def to_json(self) -> dict[str, Any]:
        """The reason as JSON data, without what is not known."""
        named = {
            "text": self.text,
            "validator": self.validator,
            "address": self.address,
            "weight": self.weight,
        }
        return {name: value for name, value in named.items() if value is not None}


class Explanation(Struct, frozen=True):
    """What a person needs to know about a failure; ``what`` is one sentence without a full stop."""

    what: str
    chain_id: ChainId | None = None
    height: BlockHeight | None = None
    round: Round | None = None
    reasons: tuple[Reason, ...] = ()
    who: AccountOwner | None = None
    next_step: str = ""

    def where(self) -> str:
        """Chain, height and round, as far as they are known."""
        parts = []
        if self.chain_id is not None:
            parts.append(f"chain {self.chain_id}")
        if self.height is not None:
            parts.append(f"height {self.height}")
        if self.round is not None:
            parts.append(str(self.round))
        return ", ".join(parts)


class ClientError(ProtocolError):
    """A request of a user failed; ``code`` is the name of the class and stable.

    ``retryable`` says that the same request may succeed later without a change.
    """

    retryable = False

    def __init__(self, explanation: Explanation, **fields: Any) -> None:
        super().__init__(type(self).__name__, **fields)
        self.explanation = explanation

    def message(self) -> str:
        """Several lines: what, where, why, who, next."""
        told = self.explanation
        lines = [told.what]
        if where := told.where():
            lines.append(f"  where: {where}")
        lines.extend(f"  why:   {reason.line()}" for reason in told.reasons)
        if told.who is not None:
            lines.append(f"  who:   owner {told.who}")
        if told.next_step:
            lines.append(f"  next:  {told.next_step}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The same as JSON data; keys that do not apply are left out."""
        told = self.explanation
        named: dict[str, Any] = {
            "code": self.code,
            "what": told.what,
            "chain_id": None if told.chain_id is None else str(told.chain_id),
            "height": told.height,
            "round": None if told.round is None else str(told.round),
            "reasons": [reason.to_json() for reason in told.reasons] or None,
            "owner": None if told.who is None else str(told.who),
            "next": told.next_step or None,
            "retryable": self.retryable,
        }
        return {name: value for name, value in named.items() if value is not None}


class UnknownChain(ClientError):
    """Neither this client nor any validator it asked knows the chain's description."""


class InactiveChain(ClientError):
    """Nobody can propose blocks of the chain."""


class ChainClosed(ClientError):
    """The chain was closed; it only rejects messages."""


class NoOwnerConfigured(ClientError):
    """The wallet has no owner for the chain."""


class NotAnOwner(ClientError):
    """The owner may not propose on the chain."""


class MissingKey(ClientError):
    """The signer does not hold the key of the owner."""


class WrongOwner(ClientError):
    """Who signs the block does not control the account."""


class Overdraft(ClientError):
    """An account holds less than is to be taken from it."""


class InvalidAmount(ClientError):
    """The text or number is not an amount that can be moved."""


class EmptyBlock(ClientError):
    """No operation, no message, no event: nothing to propose."""


class BlockRefused(ClientError):
    """The local node cannot execute the block."""


class ModuleUnusable(ClientError):
    """A module that was to be published can run on no node."""


class QueryRefused(ClientError):
    """An application did not answer a query; ``cause`` is the code of the rule."""


class CannotPropose(ClientError):
    """No round can be reached in which this owner may propose."""

    retryable = True


class BlockConflict(ClientError):
    """Another block was confirmed at the height."""

    retryable = True


class UntrustedCertificate(ClientError):
    """No trusted committee signed the certificate."""


class WalletAhead(ClientError):
    """The wallet lists blocks that the local node does not have."""


class DownloadFailed(ClientError):
    """Every validator that was asked failed."""

    retryable = True


class ForeignNetwork(ClientError):
    """The wallet belongs to another network than the one that answers."""


class LocalNodeLagging(ClientError):
    """A validator knows more of the chain than this client.

    ``original`` is what the validator said; votes and errors are counted by it.
    """

    def __init__(self, original: ProtocolError, explanation: Explanation) -> None:
        super().__init__(explanation)
        self.original = original


class ValidatorFailure(Struct, frozen=True):
    """What one validator said instead of agreeing."""

    validator: str
    address: str
    weight: int
    error: NodeError

    def reason(self) -> Reason:
        """The failure as a reason."""
        error = self.error
        text = (
            error.error if isinstance(error, ResponseHandlingError) else describe_node_error(error)
        )
        return Reason(text, self.validator, self.address, self.weight)


class NoQuorum(ClientError):
    """Too few validators agreed on one answer (spec 07 §4).

    ``trusted`` is the error that at least one honest validator gave, if there is one; ``groups``
    are the heaviest errors with their weights, ``votes`` the weights of the answers, ``quorum``
    what was needed. ``lagging`` holds the validators that know more of the chain than this client.
    """

    retryable = True

    def __init__(
        self,
        explanation: Explanation,
        *,
        quorum: int,
        votes: Sequence[int] = (),
        groups: Sequence[tuple[NodeError, int]] = (),
        trusted: NodeError | None = None,
    ) -> None:
        super().__init__(explanation, quorum=quorum)
        self.quorum, self.votes, self.groups = quorum, tuple(votes), tuple(groups)
        self.trusted = trusted
        self.lagging: tuple[tuple[RemoteNode, LocalNodeLagging], ...] = ()

    def at(self, place: Explanation) -> "NoQuorum":
        """The same failure, told with what was tried and where."""
        told = replace(
            self.explanation,
            what=f"{place.what}: {self.explanation.what[:1].lower()}{self.explanation.what[1:]}",
            chain_id=place.chain_id,
            height=place.height,
            round=place.round,
            who=place.who,
            next_step=place.next_step or self.explanation.next_step,
        )
        moved = NoQuorum(
            told,
            quorum=self.quorum,
            votes=self.votes,
            groups=self.groups,
            trusted=self.trusted,
        )
        moved.lagging = self.lagging
        return moved
