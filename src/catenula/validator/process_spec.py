"""What the processes of one validator are told, and its form on the pipe to their supervisor."""

from pathlib import Path
from typing import Any

from msgspec import Struct

from catenula.base.codec import codec_of
from catenula.protocol import GenesisConfig
from catenula.validator.configuration import ServerConfig, own_form, read_own_form
from catenula.validator.endpoints import Endpoint, socket_endpoints
from catenula.validator.frames import new_secret

_GENESIS = codec_of(GenesisConfig)


class ValidatorSpec(Struct, frozen=True):
    """One validator as several processes.

    ``location`` is what `open_store` takes; ``folder`` is for sockets, unless the configuration has
    addresses; ``secret`` is what the processes know each other by.
    """

    name: str
    config: ServerConfig
    location: str
    genesis: GenesisConfig | None
    folder: Path
    secret: bytes

    @classmethod
    def make(
        cls,
        config: ServerConfig,
        location: str,
        folder: Path,
        *,
        name: str = "validator",
        genesis: GenesisConfig | None = None,
    ) -> "ValidatorSpec":
        """A validator with a new internal secret."""
        return cls(name, config, location, genesis, folder, new_secret())

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where the workers listen; `LocalError` when the folder does not do."""
        addresses = self.config.worker_addresses
        if addresses:
            return tuple(Endpoint(address=address) for address in addresses)
        return socket_endpoints(self.folder, self.config.workers)

    def to_json(self) -> dict[str, Any]:
        """JSON data; it holds secrets and only ever goes through a pipe."""
        genesis = None if self.genesis is None else _GENESIS.to_bcs(self.genesis).hex()
        return {
            "name": self.name,
            "config": own_form(self.config),
            "location": self.location,
            "genesis": genesis,
            "folder": str(self.folder),
            "secret": self.secret.hex(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "ValidatorSpec":
        """What `to_json` wrote."""
        genesis = data["genesis"]
        return cls(
            data["name"],
            read_own_form(data["config"], Path("/")),
            data["location"],
            None if genesis is None else _GENESIS.from_bcs(bytes.fromhex(genesis)),
            Path(data["folder"]),
            bytes.fromhex(data["secret"]),
        )
