"""What the commands about validators share: connections by address, public keys as arguments."""

from collections.abc import Callable
from typing import Any

from catenula.base.crypto import AccountPublicKey, Secp256k1PublicKey
from catenula.cli.parameters import Parsed
from catenula.cli.session import Session
from catenula.transport.validator_node import ValidatorNode


def _public_key() -> Callable[[str], Any]:
    return Secp256k1PublicKey.parse


def _account_key() -> Callable[[str], Any]:
    return AccountPublicKey.parse


PUBLIC_KEY = Parsed("public key", _public_key)
ACCOUNT_KEY = Parsed("account key", _account_key)


def connect(
    session: Session, address: str, public_key: Secp256k1PublicKey | None = None
) -> ValidatorNode:
    """The validator at an address, in the committee or not; `DecodeError` for a wrong address."""
    return session.client.context.validators.connect(address, public_key)
