"""Who signs proposals: a key store in memory, the wallet's keys, or anything with two methods.

A public chain needs nothing special: a signer that holds a validator's account key signs for that
account, and the client proposes in ``Validator(n)`` rounds with it.
"""

from collections.abc import Iterable
from typing import Protocol

from catenula.base.crypto import AccountSecretKey, AccountSignature, SignatureScheme
from catenula.base.crypto.secret_keys import RandomBytes
from catenula.base.identifiers import AccountOwner
from catenula.client.errors import Explanation, MissingKey
from catenula.client.wallet import Wallet


class Signer(Protocol):
    """Maps an owner to signatures; may be a key store, a browser, hardware (spec 07 §13)."""

    async def contains_key(self, owner: AccountOwner) -> bool:
        """Whether this signer can sign for ``owner``."""
        ...

    async def sign(self, owner: AccountOwner, digest: bytes) -> AccountSignature:
        """Sign a 32-byte hash; raises `MissingKey`."""
        ...


class InMemorySigner:
    """Keys held in memory."""

    def __init__(self, keys: Iterable[AccountSecretKey] = ()) -> None:
        self._keys = {key.owner(): key for key in keys}

    def add(self, key: AccountSecretKey) -> AccountOwner:
        """Hold another key."""
        owner = key.owner()
        self._keys[owner] = key
        return owner

    def generate(
        self, random_bytes: RandomBytes, scheme: SignatureScheme = SignatureScheme.ED25519
    ) -> AccountOwner:
        """Make a new key and hold it."""
        return self.add(AccountSecretKey.generate(scheme, random_bytes))

    def owners(self) -> list[AccountOwner]:
        """Whose keys are held, ascending."""
        return sorted(self._keys)

    async def contains_key(self, owner: AccountOwner) -> bool:
        """See `Signer`."""
        return owner in self._keys

    async def sign(self, owner: AccountOwner, digest: bytes) -> AccountSignature:
        """See `Signer`."""
        key = self._keys.get(owner)
        if key is None:
            raise missing_key(owner)
        return key.sign(digest)


class WalletSigner:
    """The keys of a wallet, read when they are first needed."""

    def __init__(self, wallet: Wallet) -> None:
        self._wallet = wallet
        self._keys: dict[AccountOwner, AccountSecretKey] = {}

    async def generate(
        self, random_bytes: RandomBytes, scheme: SignatureScheme = SignatureScheme.ED25519
    ) -> AccountOwner:
        """Make a new key and store it in the wallet."""
        return await self.add(AccountSecretKey.generate(scheme, random_bytes))

    async def add(self, key: AccountSecretKey) -> AccountOwner:
        """Store a key in the wallet."""
        await self._wallet.put_key(key)
        owner = key.owner()
        self._keys[owner] = key
        return owner

    def owners(self) -> list[AccountOwner]:
        """Whose keys are stored, ascending."""
        return self._wallet.key_owners()

    async def contains_key(self, owner: AccountOwner) -> bool:
        """See `Signer`."""
        return self._key(owner) is not None

    async def sign(self, owner: AccountOwner, digest: bytes) -> AccountSignature:
        """See `Signer`."""
        key = self._key(owner)
        if key is None:
            raise missing_key(owner)
        return key.sign(digest)

    def _key(self, owner: AccountOwner) -> AccountSecretKey | None:
        found = self._keys.get(owner)
        if found is None:
            found = self._wallet.key(owner)
            if found is not None:
                self._keys[owner] = found
        return found


def missing_key(owner: AccountOwner) -> MissingKey:
    """The error of signing without the key."""
    return MissingKey(
        Explanation(
            "This wallet does not hold the key of the owner",
            who=owner,
            next_step="import the key, or choose another owner for the chain",
        )
    )
