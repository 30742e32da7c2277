"""Keys and genesis of a local network, and the one file that keeps them (``network.json``)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

from catenula.base.codec import codec_of, write_json
from catenula.base.crypto import AccountSecretKey, SignatureScheme, ValidatorSecretKey
from catenula.base.errors import DecodeError, LocalError
from catenula.base.integers import U32, U64, Amount, Epoch, Timestamp
from catenula.protocol import (
    NO_FEES,
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

HISTORICAL_HASH_FLAG = "FLAG_HISTORICAL_HASH.linera.network"
VOTES_PER_VALIDATOR = U64(100)
CONFIGURATION_FILE = "network.json"
ENGINES = ("sqlite", "rocksdb")
DEFAULT_ENGINE = ENGINES[0]
DEFAULT_ROOT_BALANCE = Amount(10**27)
_UNFINISHED_FILE = "network.json.new"
_FORMAT = 1

RandomBytes = Callable[[int], bytes]


class ValidatorKeys(Struct, frozen=True):
    """The consensus key and the account key of one validator."""

    consensus: ValidatorSecretKey
    account: AccountSecretKey


class NetworkConfiguration(Struct, frozen=True):
    """Everything that makes a local network: its genesis and all of its secrets.

    ``root_key`` owns the genesis chains; ``workers`` is the number of workers per validator;
    ``engine`` stores what is on disk.
    """

    genesis: GenesisConfig
    validators: tuple[ValidatorKeys, ...]
    root_key: AccountSecretKey
    workers: int
    engine: str

    def to_json(self) -> dict[str, Any]:
        """The content of ``network.json``."""
        return {
            "format": _FORMAT,
            "workers": self.workers,
            "engine": self.engine,
            "genesis": codec_of(GenesisConfig).to_json(self.genesis),
            "root_key": self.root_key.to_json(),
            "validators": [
                {"consensus": keys.consensus.to_json(), "account": keys.account.to_json()}
                for keys in self.validators
            ],
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> "NetworkConfiguration":
        """Read the content of ``network.json``; `DecodeError` when it is not one."""
        if data.get("format") != _FORMAT:
            raise DecodeError("UnknownFormat", found=data.get("format"), expected=_FORMAT)
        return NetworkConfiguration(
            genesis=codec_of(GenesisConfig).from_json(data["genesis"]),
            validators=tuple(
                ValidatorKeys(
                    ValidatorSecretKey.from_json(item["consensus"]),
                    AccountSecretKey.from_json(item["account"]),
                )
                for item in data["validators"]
            ),
            root_key=AccountSecretKey.from_json(data["root_key"]),
            workers=int(data["workers"]),
            engine=str(data["engine"]),
        )


class NetworkShape(Struct, frozen=True):
    """How a new network shall be: sizes, name, funds and fees.

    The policy gets the HISTORICAL state hash, whose cost does not grow with the state (design §4).
    """

    validators: int = 4
    workers: int = 1
    name: str = "catenula"
    root_chains: int = 1
    root_balance: Amount = DEFAULT_ROOT_BALANCE
    policy: ResourceControlPolicy = NO_FEES
    historical_hash: bool = True
    engine: str | None = None
    """Where a network on disk stores its data; None for the folder's engine, else ``sqlite``."""


def make_configuration(
    shape: NetworkShape, *, random_bytes: RandomBytes, now: Timestamp
) -> NetworkConfiguration:
    """New keys and a new genesis."""
    if shape.validators < 1 or shape.workers < 1 or shape.root_chains < 1:
        raise LocalError(
            "a network needs at least one validator, one worker and one root chain",
            retryable=False,
        )
    engine = shape.engine if shape.engine is not None else DEFAULT_ENGINE
    if engine not in ENGINES:
        raise LocalError(
            f"unknown engine {engine!r}: choose one of {', '.join(ENGINES)}", retryable=False
        )
    validators = tuple(
        ValidatorKeys(
            ValidatorSecretKey.generate(random_bytes),
            AccountSecretKey.generate(SignatureScheme.ED25519, random_bytes),
        )
        for _ in range(shape.validators)
    )
    root_key = AccountSecretKey.generate(SignatureScheme.ED25519, random_bytes)
    owner = root_key.public_key().owner()
    config = InitialChainConfig(
        ChainOwnership.single(owner),
        Epoch(0),
        Epoch(0),
        Epoch(0),
        shape.root_balance,
        ApplicationPermissions(),
    )
    chains = tuple(
        ChainDescription(Root(U32(index)), now, config) for index in range(shape.root_chains)
    )
    genesis = GenesisConfig(make_committee(validators, shape), now, chains, shape.name)
    return NetworkConfiguration(genesis, validators, root_key, shape.workers, engine)


def make_committee(validators: tuple[ValidatorKeys, ...], shape: NetworkShape) -> Committee:
    """The committee of these validators with equal votes, in key order."""
    policy = shape.policy
    if shape.historical_hash:
        flags = {*policy.http_request_allow_list, HISTORICAL_HASH_FLAG}
        policy = policy.replace(http_request_allow_list=tuple(sorted(flags)))
    members = [
        (
            keys.consensus.public_key(),
            ValidatorState(
                validator_address(index), VOTES_PER_VALIDATOR, keys.account.public_key()
            ),
        )
        for index, keys in enumerate(validators)
    ]
    members.sort(key=lambda member: member[0].order_key())
    return Committee(dict(members), policy)


def validator_address(index: int) -> str:
    """The address of an embedded validator; nothing listens there."""
    return f"grpc:validator-{index + 1}.embedded:{index + 1}"


def save_configuration(configuration: NetworkConfiguration, folder: Path) -> None:
    """Write ``network.json``, readable by its owner only: it holds secrets."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CONFIGURATION_FILE
    unfinished = folder / _UNFINISHED_FILE
    unfinished.touch(mode=0o600, exist_ok=True)
    unfinished.write_text(write_json(configuration.to_json(), indent=2) + "\n")
    unfinished.replace(path)


def load_configuration(folder: Path, shape: NetworkShape) -> NetworkConfiguration | None:
    """Read ``network.json`` of a folder; None when the folder is new or empty.

    Raises `LocalError` when the file cannot be understood, when the folder holds something else,
    and when ``shape`` asks for another engine.
    """
    path = folder / CONFIGURATION_FILE
    if not path.exists():
        _check_unused(folder)
        return None
    try:
        configuration = NetworkConfiguration.from_json(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError, DecodeError) as error:
        raise LocalError(
            f"{path} is not a network configuration of this version; "
            "start with another folder, or remove this one to begin anew",
            retryable=False,
        ) from error
    if shape.engine not in (None, configuration.engine):
        raise LocalError(
            f"the network in {folder} stores its data with {configuration.engine}, "
            f"not with {shape.engine}; leave the engine out, or choose another folder",
            retryable=False,
        )
    return configuration


def _check_unused(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir() or {path.name for path in folder.iterdir()} - {_UNFINISHED_FILE}:
        raise LocalError(
            f"{folder} holds no network but something else; choose a new or an empty folder",
            retryable=False,
        )
