"""The faucet's GraphQL interface (spec 08 §3.1). Importing this module imports graphql-core.

Names, types, order and nullability are those of the recorded introspection; the descriptions are
ours. Resolvers only translate: what a faucet does is in `catenula.services.faucet.faucet`.
"""

from typing import Any

from graphql import GraphQLSchema

from catenula.base.errors import DecodeError
from catenula.base.identifiers import AccountOwner
from catenula.base.integers import format_amount
from catenula.services.faucet.faucet import Faucet
from catenula.services.http.graphql.api import Resolver, ScalarParsers, build_api

SCHEMA_TEXT = '''
"""Who owns tokens or a chain: `0x` and 64, 40 or 2 hexadecimal digits."""
scalar AccountOwner

"""A number of tokens as a decimal text."""
scalar Amount

"""How a chain began: its origin, time and first configuration."""
scalar ChainDescription

"""The hash of a chain's description, 64 hexadecimal digits."""
scalar ChainId

"""What a daily claim paid."""
type ClaimOutcome {
  """The chain that got the tokens."""
  chainId: ChainId!
  """The block of the faucet's chain that sent them."""
  certificateHash: CryptoHash!
  """How many tokens."""
  amount: Amount!
}

"""The validators of an epoch and what they charge."""
type Committee {
  """State of each validator by its public key."""
  validators: JSONObject!
  """The votes of all validators together."""
  totalVotes: Int!
  """Votes that make a block final."""
  quorumThreshold: Int!
  """Votes among which one honest validator must be."""
  validityThreshold: Int!
  """Prices and limits."""
  policy: ResourceControlPolicyScalar!
}

"""A hash, 64 hexadecimal digits."""
scalar CryptoHash

"""The number of a committee's term, as a text."""
scalar Epoch

"""The chain an owner got from this faucet."""
type InitialClaim {
  """The chain."""
  chainId: ChainId!
  """When it was made, in microseconds since 1970."""
  timestamp: Timestamp!
}

"""Any JSON value."""
scalar JSON

"""A JSON object."""
scalar JSONObject

"""What changes something."""
type MutationRoot {
  """Get a chain of one's own; who has one already gets the same description again."""
  claim(owner: AccountOwner!): ChainDescription!
  """Get some more tokens, once in each 24 hours after the first claim."""
  dailyClaim(owner: AccountOwner!): ClaimOutcome!
}

"""What can be asked."""
type QueryRoot {
  """The version of this server."""
  version: VersionInfo!
  """How the network began: what a new wallet needs."""
  genesisConfig: JSON!
  """The validators of the current committee."""
  currentValidators: [Validator!]!
  """The current committee."""
  currentCommittee: Committee!
  """The number of the current committee's term."""
  currentEpoch: Epoch!
  """The chain an owner got here; an error when there is none."""
  chainId(owner: AccountOwner!): ChainId!
  """The chain an owner got here and when; null when there is none."""
  initialClaim(owner: AccountOwner!): InitialClaim
  """When the next daily claim becomes possible; null before the first claim."""
  nextDailyClaim(owner: AccountOwner!): Timestamp
}

"""Prices and limits as a JSON object."""
scalar ResourceControlPolicyScalar

"""A validator's public key in compressed form, 66 hexadecimal digits."""
scalar Secp256k1PublicKey

"""Microseconds since 1970."""
scalar Timestamp

"""A validator as wallets connect to it."""
type Validator {
  """What its votes are signed with."""
  publicKey: Secp256k1PublicKey!
  """Where it listens."""
  networkAddress: String!
}

"""Version and interface hashes of a server."""
scalar VersionInfo

schema {
  query: QueryRoot
  mutation: MutationRoot
}
'''


def faucet_schema() -> GraphQLSchema:
    """The interface; its context is a `Faucet`."""
    scalars = ScalarParsers({"AccountOwner": _owner})
    return build_api(SCHEMA_TEXT, _RESOLVERS, scalars=scalars)


def _owner(value: Any) -> AccountOwner:
    if not isinstance(value, str):
        raise _InvalidOwner(f"invalid type: {value!r}, expected a string")
    try:
        return AccountOwner.parse(value)
    except DecodeError as error:
        raise _InvalidOwner(f"Invalid address value: {value}") from error


class _InvalidOwner(DecodeError):
    """A text that names no owner, in the reference's words."""

    def message(self) -> str:
        return self.code


# Queries


def _version(_parent: Any, faucet: Faucet, _arguments: Any) -> Any:
    return faucet.version()


def _genesis_config(_parent: Any, faucet: Faucet, _arguments: Any) -> Any:
    return faucet.genesis_config()


def _current_validators(_parent: Any, faucet: Faucet, _arguments: Any) -> Any:
    committee = faucet.current_committee()
    return [
        {"publicKey": str(key), "networkAddress": state.network_address}
        for key, state in committee.validators.items()
    ]


def _current_committee(_parent: Any, faucet: Faucet, _arguments: Any) -> Any:
    committee = faucet.current_committee()
    data = committee.to_json()
    return {
        "validators": data["validators"],
        "totalVotes": committee.total_votes,
        "quorumThreshold": committee.quorum_threshold,
        "validityThreshold": committee.validity_threshold,
        "policy": data["policy"],
    }


def _current_epoch(_parent: Any, faucet: Faucet, _arguments: Any) -> Any:
    return str(faucet.current_epoch())


def _chain_id(_parent: Any, faucet: Faucet, arguments: dict[str, Any]) -> Any:
    return str(faucet.chain_id(arguments["owner"]))


def _initial_claim(_parent: Any, faucet: Faucet, arguments: dict[str, Any]) -> Any:
    found = faucet.initial_claim(arguments["owner"])
    if found is None:
        return None
    return {"chainId": str(found.chain_id), "timestamp": int(found.created_at)}


def _next_daily_claim(_parent: Any, faucet: Faucet, arguments: dict[str, Any]) -> Any:
    found = faucet.next_daily_claim(arguments["owner"])
    return None if found is None else int(found)


# Mutations


async def _claim(_parent: Any, faucet: Faucet, arguments: dict[str, Any]) -> Any:
    return (await faucet.claim(arguments["owner"])).to_json()


async def _daily_claim(_parent: Any, faucet: Faucet, arguments: dict[str, Any]) -> Any:
    outcome = await faucet.daily_claim(arguments["owner"])
    return {
        "chainId": str(outcome.chain_id),
        "certificateHash": str(outcome.certificate_hash),
        "amount": format_amount(outcome.amount),
    }


_RESOLVERS: dict[str, dict[str, Resolver]] = {
    "QueryRoot": {
        "version": _version,
        "genesisConfig": _genesis_config,
        "currentValidators": _current_validators,
        "currentCommittee": _current_committee,
        "currentEpoch": _current_epoch,
        "chainId": _chain_id,
        "initialClaim": _initial_claim,
        "nextDailyClaim": _next_daily_claim,
    },
    "MutationRoot": {"claim": _claim, "dailyClaim": _daily_claim},
}
