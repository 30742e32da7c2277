"""A local network with a spare validator that is not in the committee yet."""

import secrets
from pathlib import Path

import pytest
from msgspec.structs import replace

from catenula.base.crypto import (
    AccountSecretKey,
    Secp256k1PublicKey,
    SignatureScheme,
    ValidatorSecretKey,
)
from catenula.base.errors import DecodeError, LocalError
from catenula.network.configuration import ValidatorKeys
from catenula.network.embedded_validator import EmbeddedValidator, Surroundings
from catenula.transport.validator_node import ValidatorNode
from tests.cli.support import CommandLine, LocalNetwork


class ByAddress:
    """Connects to the validators of this process by their addresses, as a network does."""

    def __init__(self, validators: list[EmbeddedValidator]) -> None:
        self._validators = validators

    def connect(self, validator: Secp256k1PublicKey, address: str) -> ValidatorNode:
        """See `NodeProvider`."""
        if not address.startswith("grpc:"):
            raise DecodeError("InvalidNetworkAddress", text=address, expected="grpc:host:port")
        for index, found in enumerate(self._validators):
            if address == address_of(index):
                return _Named(found.node, address)  # type: ignore[return-value]  # A proxy.
        raise LocalError(f"nothing listens at {address}", retryable=True)


class _Named:
    """A node that knows its published address."""

    def __init__(self, node: ValidatorNode, address: str) -> None:
        self._node, self.address = node, address

    def __getattr__(self, name: str) -> object:
        return getattr(self._node, name)


def address_of(index: int) -> str:
    """The published address of a validator."""
    return f"grpc:validator-{index + 1}.embedded:{index + 1}"


class AdministeredNetwork(LocalNetwork):
    """Four validators, a fifth one to be added, and the administrator's wallet."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(folder, monkeypatch)
        self.spare_keys = ValidatorKeys(
            ValidatorSecretKey.generate(secrets.token_bytes),
            AccountSecretKey.generate(SignatureScheme.ED25519, secrets.token_bytes),
        )
        network = self.embedded
        configuration = replace(
            network.configuration,
            validators=(*network.configuration.validators, self.spare_keys),
        )
        self.spare = EmbeddedValidator(
            configuration,
            len(network.validators),
            location="memory:",
            surroundings=Surroundings(network.clock, network.applications, network.commit_threads),
        )
        self.spare.start()
        self.provider = ByAddress([*network.validators, self.spare])
        self.admin = self.root_wallet("admin")

    def wallet(self, name: str) -> CommandLine:
        """A new wallet whose commands find validators by address."""
        line = super().wallet(name)
        line.provider = self.provider
        return line

    @property
    def spare_key(self) -> str:
        """The public key of the spare validator."""
        return str(self.spare_keys.consensus.public_key())

    @property
    def spare_account(self) -> str:
        """The account key of the spare validator."""
        return str(self.spare_keys.account.public_key())

    def add_spare(self, *more: str) -> None:
        """Add the spare validator to the committee."""
        self.admin(
            "validator",
            "add",
            "--public-key",
            self.spare_key,
            "--account-key",
            self.spare_account,
            "--address",
            address_of(4),
            *more,
        )

    def close(self) -> None:
        """Stop all validators."""
        self.run(self.spare.stop())
        super().close()
