"""The embedded network: validators in this process, in memory or on disk.

`EmbeddedNetwork` owns the validators and knows the genesis; wallets are made on top of it in
`catenula.network.network`. A network on disk lives in one folder: ``network.json`` with genesis
and keys, one store per validator, one per wallet.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from catenula.base.collector import relax_collector
from catenula.base.crypto import Secp256k1PublicKey
from catenula.execution.applications import ApplicationLoader
from catenula.network.configuration import (
    NetworkConfiguration,
    NetworkShape,
    RandomBytes,
    load_configuration,
    make_configuration,
    save_configuration,
)
from catenula.network.embedded_validator import EmbeddedValidator, Surroundings
from catenula.protocol import GenesisConfig
from catenula.transport.validator_node import ValidatorNode
from catenula.validator.clock import Clock, SystemClock
from catenula.validator.commit_threads import CommitThreads
from catenula.validator.default_applications import default_applications
from catenula.validator.signature_process import signature_helper
from catenula.validator.tuning import SWITCH_INTERVAL_SECONDS


class EmbeddedNetwork:
    """The validators of a network in this process."""

    def __init__(
        self,
        configuration: NetworkConfiguration,
        *,
        folder: Path | None,
        clock: Clock,
        applications: ApplicationLoader,
    ) -> None:
        self.configuration, self.folder = configuration, folder
        relax_collector()
        self.clock, self.applications = clock, applications
        if folder is not None:
            sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
        self.commit_threads = CommitThreads()
        self.signatures = signature_helper()
        surroundings = Surroundings(clock, applications, self.commit_threads, self.signatures)
        self.validators = [
            EmbeddedValidator(
                configuration,
                index,
                location=self.location(f"validator-{index + 1}"),
                surroundings=surroundings,
            )
            for index in range(len(configuration.validators))
        ]

    @property
    def genesis(self) -> GenesisConfig:
        """The genesis configuration."""
        return self.configuration.genesis

    def location(self, name: str) -> str:
        """The store of a validator or wallet of this name."""
        if self.folder is None:
            return "memory:"
        engine = self.configuration.engine
        return f"{engine}:{self.folder / name}.{engine}"

    def nodes(self) -> Mapping[Secp256k1PublicKey, ValidatorNode]:
        """Every validator as its clients see it, running or not."""
        return {
            validator.keys.consensus.public_key(): validator.node for validator in self.validators
        }

    def start_all(self) -> None:
        """Start the validators that are not running."""
        for validator in self.validators:
            validator.start()

    async def stop_all(self) -> None:
        """Stop every validator; what is on disk stays."""
        try:
            for validator in self.validators:
                await validator.stop()
            self.commit_threads.close()
        finally:
            if self.signatures is not None:
                self.signatures.close()

    async def settled(self) -> None:
        """Return when no message is on its way between chains of any running validator."""
        for validator in self.validators:
            if validator.driver is not None:
                await validator.driver.settled()


def make_network(
    shape: NetworkShape,
    *,
    random_bytes: RandomBytes,
    folder: str | Path | None = None,
    clock: Clock | None = None,
    applications: ApplicationLoader | None = None,
) -> EmbeddedNetwork:
    """A network of new keys, or the one that lives in ``folder``; its validators are running.

    ``applications`` runs the code of applications, by default the Wasm engine.

    Raises `LocalError` for an impossible shape, for a folder with something else in it, and for
    another engine than the folder's.
    """
    clock = clock if clock is not None else SystemClock()
    path = Path(folder) if folder is not None else None
    configuration = load_configuration(path, shape) if path is not None else None
    if configuration is None:
        configuration = make_configuration(shape, random_bytes=random_bytes, now=clock.now())
        if path is not None:
            save_configuration(configuration, path)
    network = EmbeddedNetwork(
        configuration,
        folder=path,
        clock=clock,
        applications=applications if applications is not None else default_applications(),
    )
    try:
        network.start_all()
    except BaseException:
        for validator in network.validators:
            validator.abandon()
        raise
    return network
