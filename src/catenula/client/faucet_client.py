"""Asking a faucet: how a wallet meets a network and gets a chain (spec 08 §3.1).

Works with every faucet of the protocol: the texts of the requests are those that all of them know.
An answer is a stranger's data and is checked while it is decoded.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from catenula.base.codec import codec_of
from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.errors import DecodeError, ProtocolError
from catenula.base.identifiers import AccountOwner, ChainId, CryptoHash
from catenula.base.integers import Amount, Timestamp, parse_amount
from catenula.base.limits import FAUCET_CLIENT_SECONDS, MAX_FAUCET_ANSWER_BYTES
from catenula.client.errors import ClientError, Explanation, Reason
from catenula.client.http_post import HttpAnswer, HttpFailed, http_post
from catenula.protocol import (
    ChainDescription,
    Committee,
    GenesisConfig,
    ResourceControlPolicy,
    ValidatorState,
    VersionInfo,
)

_T = TypeVar("_T")

_ADVICE = "check the faucet's URL, and that the faucet runs"


class FaucetUnreachable(ClientError):
    """The faucet gave no usable answer."""

    retryable = True


class FaucetRefused(ClientError):
    """The faucet answered, and said no; ``texts`` are its own words."""

    def __init__(self, explanation: Explanation, texts: tuple[str, ...]) -> None:
        super().__init__(explanation)
        self.texts = texts


class InitialClaim(NamedTuple):
    """The chain an owner got from a faucet, and when."""

    chain_id: ChainId
    timestamp: Timestamp


class DailyPayment(NamedTuple):
    """What a daily claim paid, to which chain, and the block that sent it."""

    chain_id: ChainId
    certificate_hash: CryptoHash
    amount: Amount


class FaucetClient:
    """One faucet. Every method is one request, which takes at most 30 seconds.

    All raise `FaucetUnreachable` (no answer, or not one of a faucet) and `FaucetRefused`.
    """

    def __init__(self, url: str, *, seconds: float = FAUCET_CLIENT_SECONDS) -> None:
        self.url, self._seconds = url, seconds

    # The network

    async def genesis_config(self) -> GenesisConfig:
        """How the network began."""
        codec = codec_of(GenesisConfig)
        return await self._ask("query { genesisConfig }", "genesisConfig", codec.from_json)

    async def version(self) -> VersionInfo:
        """The faucet's version."""
        return await self._ask("query { version }", "version", codec_of(VersionInfo).from_json)

    async def current_committee(self) -> Committee:
        """The validators of the current epoch with votes, and the prices."""
        text = "query { currentCommittee { validators policy } }"
        return await self._ask(text, "currentCommittee", _committee)

    async def current_validators(self) -> dict[Secp256k1PublicKey, str]:
        """Addresses of the current validators by public key."""
        text = "query { currentValidators { publicKey networkAddress } }"
        return await self._ask(text, "currentValidators", _validators)

    # Owners

    async def claim(self, owner: AccountOwner) -> ChainDescription:
        """The owner's chain: a new one, or the one it got here before."""
        codec = codec_of(ChainDescription)

        def read(data: Any) -> ChainDescription:
            description: ChainDescription = codec.from_json(data)
            if not description.config.ownership.is_owner(owner):
                raise DecodeError("ForeignChain", chain_id=description.chain_id, owner=owner)
            return description

        return await self._ask(f'mutation {{ claim(owner: "{owner}") }}', "claim", read)

    async def chain_id(self, owner: AccountOwner) -> ChainId:
        """The chain an owner got here; `FaucetRefused` when there is none."""
        text = f'query {{ chainId(owner: "{owner}") }}'
        return await self._ask(text, "chainId", lambda data: ChainId.parse(_text(data)))

    async def initial_claim(self, owner: AccountOwner) -> InitialClaim | None:
        """The chain an owner got here, and when; None when there is none."""
        text = f'query {{ initialClaim(owner: "{owner}") {{ chainId timestamp }} }}'
        return await self._ask(text, "initialClaim", _initial_claim)

    async def daily_claim(self, owner: AccountOwner) -> DailyPayment:
        """Have the day's tokens sent to the owner's account on its chain."""
        text = f'mutation {{ dailyClaim(owner: "{owner}") {{ chainId certificateHash amount }} }}'
        return await self._ask(text, "dailyClaim", _daily_payment)

    # One request

    async def _ask(self, query: str, field: str, read: Callable[[Any], _T]) -> _T:
        body = json.dumps({"query": query}).encode()
        try:
            answer = await http_post(
                self.url, body, seconds=self._seconds, max_bytes=MAX_FAUCET_ANSWER_BYTES
            )
        except HttpFailed as error:
            raise self._unreachable(str(error)) from error
        data = self._data(answer)
        try:
            return read(data[field])
        except (ProtocolError, KeyError, TypeError) as error:
            reason = f"its answer to {field} cannot be read: {error}"
            raise self._unreachable(reason) from error

    def _data(self, answer: HttpAnswer) -> dict[str, Any]:
        if not 200 <= answer.status < 300:
            where = answer.headers.get("location")
            moved = f", moved to {where}" if where else ""
            raise self._unreachable(f"it answered with HTTP status {answer.status}{moved}")
        try:
            content = json.loads(bytes(answer.body))
        except (ValueError, RecursionError) as error:
            raise self._unreachable("its answer is not JSON") from error
        if not isinstance(content, dict):
            raise self._unreachable("its answer is not one of a GraphQL service")
        if content.get("errors"):
            raise self._refused(content["errors"])
        data = content.get("data")
        if not isinstance(data, dict):
            raise self._unreachable("its answer has no data")
        return data

    def _unreachable(self, reason: str) -> FaucetUnreachable:
        return FaucetUnreachable(
            Explanation(
                f"The faucet at {self.url} could not be asked",
                reasons=(Reason(reason),),
                next_step=_ADVICE,
            )
        )

    def _refused(self, found: Any) -> FaucetRefused:
        items = found if isinstance(found, list) else [found]
        texts = tuple(
            str(item.get("message", item)) if isinstance(item, dict) else str(item)
            for item in items
        )
        return FaucetRefused(
            Explanation(
                f"The faucet at {self.url} refused",
                reasons=tuple(Reason(text) for text in texts),
                next_step="do what the faucet says, or ask another faucet",
            ),
            texts,
        )


# Reading answers


def _text(data: Any) -> str:
    if not isinstance(data, str):
        raise DecodeError("InvalidText", found=type(data).__name__)
    return data


def _committee(data: Any) -> Committee:
    state = codec_of(ValidatorState)
    found = [
        (Secp256k1PublicKey.parse(key), state.from_json(value))
        for key, value in data["validators"].items()
    ]
    found.sort(key=lambda member: member[0].order_key())
    policy = codec_of(ResourceControlPolicy).from_json(data["policy"])
    committee = Committee(dict(found), policy)
    committee.check_decoded()
    return committee


def _validators(data: Any) -> dict[Secp256k1PublicKey, str]:
    return {
        Secp256k1PublicKey.parse(_text(item["publicKey"])): _text(item["networkAddress"])
        for item in data
    }


def _timestamp(data: Any) -> Timestamp:
    found: Timestamp = codec_of(Timestamp).from_json(data)
    return found


def _initial_claim(data: Any) -> InitialClaim | None:
    if data is None:
        return None
    return InitialClaim(ChainId.parse(_text(data["chainId"])), _timestamp(data["timestamp"]))


def _daily_payment(data: Any) -> DailyPayment:
    return DailyPayment(
        ChainId.parse(_text(data["chainId"])),
        CryptoHash.parse(_text(data["certificateHash"])),
        parse_amount(_text(data["amount"])),
    )
