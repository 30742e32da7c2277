"""Keys and signatures of accounts and validators (spec 01 §3).

Public keys and signatures are immutable ``bytes`` in canonical binary form; secret keys are opaque
objects. What counts as a key, a signature and a valid signature is exactly what the reference says,
also where the C libraries beneath are stricter or laxer.
"""

from catenula.base.crypto.errors import SignatureInvalid
from catenula.base.crypto.keys import (
    AccountPublicKey,
    Ed25519PublicKey,
    EvmPublicKey,
    Secp256k1PublicKey,
    SignatureScheme,
)
from catenula.base.crypto.secret_keys import AccountSecretKey, ValidatorSecretKey
from catenula.base.crypto.signatures import (
    AccountSignature,
    Ed25519Signature,
    EvmSignature,
    Secp256k1Signature,
    SignedHash,
    account_signature,
)

__all__ = [
    "AccountPublicKey",
    "AccountSecretKey",
    "AccountSignature",
    "Ed25519PublicKey",
    "Ed25519Signature",
    "EvmPublicKey",
    "EvmSignature",
    "Secp256k1PublicKey",
    "Secp256k1Signature",
    "SignatureInvalid",
    "SignatureScheme",
    "SignedHash",
    "ValidatorSecretKey",
    "account_signature",
]
