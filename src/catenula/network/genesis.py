"""Making the genesis of a network, and the keys of its first chains (spec 06 §8.4).

With the seed of a deterministic test the keys, and with a given time also the chain ids, are those
that the reference's ``create-genesis-config`` makes.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from catenula.base.chacha import SeededRandom
from catenula.base.crypto import AccountSecretKey, Secp256k1PublicKey, SignatureScheme
from catenula.base.crypto.secret_keys import RandomBytes
from catenula.base.errors import LocalError
from catenula.base.integers import MICROSECONDS_PER_SECOND, U32, Amount, Epoch, Timestamp
from catenula.base.limits import MAX_ROOT_CHAINS
from catenula.protocol import (
    ApplicationPermissions,
    ChainDescription,
    ChainOwnership,
    Committee,
    GenesisConfig,
    InitialChainConfig,
    ResourceControlPolicy,
    Root,
    ValidatorState,
)


class GenesisPlan(Struct, frozen=True):
    """What a new network starts with; every root chain gets the same balance."""

    other_chains: int
    balance: Amount
    policy: ResourceControlPolicy
    timestamp: Timestamp
    name: str


class RootKeys(Struct, frozen=True):
    """The owners of the root chains in order; ``next_seed`` continues a seeded key store."""

    keys: tuple[AccountSecretKey, ...]
    next_seed: int | None = None


def make_root_keys(count: int, random_bytes: RandomBytes, seed: int | None = None) -> RootKeys:
    """New Ed25519 keys; from the seed, as a key store of the reference makes them, if given."""
    if not 1 <= count <= MAX_ROOT_CHAINS:
        raise LocalError(
            f"a network cannot start with {count} root chains: choose 1 to {MAX_ROOT_CHAINS}",
            retryable=False,
        )
    if seed is None:
        made = (
            AccountSecretKey.generate(SignatureScheme.ED25519, random_bytes) for _ in range(count)
        )
        return RootKeys(tuple(made))
    random, keys = SeededRandom(seed), []
    for _ in range(count):
        keys.append(AccountSecretKey.generate(SignatureScheme.ED25519, random))
        seed = random.next_seed()
    return RootKeys(tuple(keys), seed)


def make_genesis(
    validators: Mapping[Secp256k1PublicKey, ValidatorState],
    plan: GenesisPlan,
    keys: Sequence[AccountSecretKey],
) -> GenesisConfig:
    """The genesis whose root chains belong to these keys, the admin chain to the first."""
    if not validators:
        raise LocalError("a network needs at least one validator", retryable=False)
    ordered = sorted(validators.items(), key=lambda item: item[0].order_key())
    committee = Committee(dict(ordered), plan.policy)
    committee.check_decoded()
    chains = tuple(_root_chain(index, key, plan) for index, key in enumerate(keys))
    return GenesisConfig(committee, plan.timestamp, chains, plan.name)


def _root_chain(index: int, key: AccountSecretKey, plan: GenesisPlan) -> ChainDescription:
    start = Epoch(0)
    config = InitialChainConfig(
        ChainOwnership.single(key.public_key().owner()),
        start,
        start,
        start,
        plan.balance,
        ApplicationPermissions(),
    )
    return ChainDescription(Root(U32(index)), plan.timestamp, config)


def default_network_name(moment: Timestamp) -> str:
    """The name of a network that was given none: from the time it is made."""
    made = datetime.fromtimestamp(moment // MICROSECONDS_PER_SECOND, UTC)
    return f"linera-{made:%Y-%m-%dT%H:%M:%S}"
