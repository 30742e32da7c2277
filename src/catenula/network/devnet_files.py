"""The folder of a local network: genesis, the administrator's wallet, the validators' files.

The files are those of a network on many machines, so that each part can be used by itself: the
wallet with ``--wallet``, a validator with ``catenula server run``. Keys are 0600.
"""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from catenula.base.chacha import SeededRandom
from catenula.base.crypto import (
    AccountSecretKey,
    Secp256k1PublicKey,
    SignatureScheme,
    ValidatorSecretKey,
)
from catenula.base.crypto.secret_keys import RandomBytes
from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId
from catenula.base.integers import U64
from catenula.base.limits import MAX_DEVNET_VALIDATORS, MAX_WORKERS
from catenula.client.files.genesis_json import read_genesis, write_genesis
from catenula.network.admin_wallet import write_admin_wallet
from catenula.network.configuration import HISTORICAL_HASH_FLAG, VOTES_PER_VALIDATOR
from catenula.network.genesis import GenesisPlan, RootKeys, make_genesis, make_root_keys
from catenula.network.ports import PortLayout
from catenula.protocol import GenesisConfig, ValidatorState
from catenula.transport.addresses import NetworkAddress
from catenula.validator.addresses import HostPort
from catenula.validator.configuration import (
    ServerConfig,
    load_configuration,
    save_configuration,
)

LOOPBACK = "127.0.0.1"
HOST = "localhost"
GENESIS_FILE = "genesis.json"


class Certificate(Struct, frozen=True):
    """PEM files with which the public ports speak TLS."""

    certificate: Path
    private_key: Path


class DevnetPlan(Struct, frozen=True):
    """How a new local network shall be.

    With ``historical_hash`` blocks have the HISTORICAL state hash, whose cost does not grow with
    the state. It is not the default: the published web client does not know it (decision 0032).
    """

    genesis: GenesisPlan
    validators: int = 4
    workers: int = 1
    ports: PortLayout = field(default_factory=PortLayout)
    certificate: Certificate | None = None
    seed: int | None = None
    historical_hash: bool = False


class DevnetFolder:
    """The names of the files."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @property
    def genesis(self) -> Path:
        """The genesis, which also marks the folder as one of a network."""
        return self.path / GENESIS_FILE

    @property
    def wallet(self) -> Path:
        """The administrator's wallet."""
        return self.path / "wallet_0.json"

    @property
    def keystore(self) -> Path:
        """The administrator's keys."""
        return self.path / "keystore_0.json"

    @property
    def storage(self) -> str:
        """The store of the administrator's command line."""
        return f"sqlite:{self.path / 'client_0.sqlite'}"

    def server(self, index: int) -> Path:
        """A validator's configuration."""
        return self.path / f"server_{index}.toml"

    def validator_storage(self, index: int) -> str:
        """A validator's store."""
        return f"sqlite:{self.path / f'validator_{index}.sqlite'}"

    @property
    def faucet_storage(self) -> str:
        """The store of the faucet's own client."""
        return f"sqlite:{self.path / 'faucet_client.sqlite'}"

    @property
    def faucet_claims(self) -> Path:
        """Who has got a chain."""
        return self.path / "faucet.sqlite"


class DevnetFiles(Struct, frozen=True):
    """A local network as its files have it."""

    folder: DevnetFolder
    genesis: GenesisConfig
    servers: tuple[ServerConfig, ...]

    def root_chains(self) -> list[ChainId]:
        """The chains besides the admin chain, in the order of their ids."""
        return sorted(chain.chain_id for chain in self.genesis.chains[1:])

    def with_workers(self, workers: int) -> "DevnetFiles":
        """The same network with another number of workers per validator."""
        servers = tuple(replace(server, workers=workers) for server in self.servers)
        return replace(self, servers=servers)


def create_devnet(folder: DevnetFolder, plan: DevnetPlan, random_bytes: RandomBytes) -> "NewDevnet":
    """New keys and a new genesis; `LocalError` for a folder with other things in it.

    Nothing is on disk before `NewDevnet.write`.
    """
    _check_plan(plan)
    _check_unused(folder.path)
    servers = _make_servers(plan, random_bytes)
    # The seed of the wallet follows that of the validators, as when the reference does it.
    seed = None if plan.seed is None else plan.seed + 1
    keys = make_root_keys(1 + plan.genesis.other_chains, random_bytes, seed)
    genesis = make_genesis(_states(servers), _with_flags(plan), keys.keys)
    return NewDevnet(DevnetFiles(folder, genesis, servers), keys)


class NewDevnet(Struct, frozen=True):
    """A network that was just made up."""

    files: DevnetFiles
    keys: RootKeys

    def write(self) -> None:
        """Write all files durably; takes a while, because the disk does."""
        files, folder = self.files, self.files.folder
        folder.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        for index, server in enumerate(files.servers):
            save_configuration(server, folder.server(index))
        write_admin_wallet(
            files.genesis, self.keys, wallet_path=folder.wallet, keystore_path=folder.keystore
        )
        # The genesis goes last: a folder without it is not a network yet.
        write_genesis(folder.genesis, files.genesis)


def load_devnet(folder: DevnetFolder) -> DevnetFiles | None:
    """The network of a folder; None when there is none yet. `LocalError` for damaged files."""
    if not folder.genesis.exists():
        return None
    genesis, _ = read_genesis(folder.genesis)
    count = len(genesis.committee.validators)
    servers = tuple(load_configuration(folder.server(index)) for index in range(count))
    return DevnetFiles(folder, genesis, servers)


def _check_plan(plan: DevnetPlan) -> None:
    if not 1 <= plan.validators <= MAX_DEVNET_VALIDATORS:
        raise LocalError(
            f"a local network cannot have {plan.validators} validators: "
            f"choose 1 to {MAX_DEVNET_VALIDATORS} with --validators",
            retryable=False,
        )
    if not 1 <= plan.workers <= MAX_WORKERS:
        raise LocalError(
            f"a validator cannot have {plan.workers} workers: "
            f"choose 1 to {MAX_WORKERS} with --workers",
            retryable=False,
        )
    plan.ports.check(plan.validators)


def _check_unused(path: Path) -> None:
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise LocalError(
            f"{path} holds no network but something else; choose a new or an empty folder "
            "with --path",
            retryable=False,
        )


def _make_servers(plan: DevnetPlan, random_bytes: RandomBytes) -> tuple[ServerConfig, ...]:
    source = random_bytes if plan.seed is None else SeededRandom(plan.seed)
    return tuple(_make_server(plan, index, source) for index in range(plan.validators))


def _make_server(plan: DevnetPlan, index: int, source: RandomBytes) -> ServerConfig:
    port, tls = plan.ports.public(index), plan.certificate
    secret = ValidatorSecretKey.generate(source)
    account = AccountSecretKey.generate(SignatureScheme.ED25519, source)
    return ServerConfig(
        secret,
        account.public_key(),
        address=NetworkAddress(HOST, port, tls is not None),
        listen=HostPort(LOOPBACK, port),
        certificate=None if tls is None else tls.certificate.absolute(),
        private_key=None if tls is None else tls.private_key.absolute(),
        workers=plan.workers,
    )


def _states(servers: tuple[ServerConfig, ...]) -> Mapping[Secp256k1PublicKey, ValidatorState]:
    return {
        server.secret.public_key(): ValidatorState(
            str(server.address), U64(VOTES_PER_VALIDATOR), server.account_key
        )
        for server in servers
    }


def _with_flags(plan: DevnetPlan) -> GenesisPlan:
    if not plan.historical_hash:
        return plan.genesis
    policy = plan.genesis.policy
    flags = {*policy.http_request_allow_list, HISTORICAL_HASH_FLAG}
    policy = policy.replace(http_request_allow_list=tuple(sorted(flags)))
    return replace(plan.genesis, policy=policy)
