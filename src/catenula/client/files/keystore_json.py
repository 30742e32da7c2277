"""``keystore.json``: secret keys by owner, in the reference's form (spec 07 §14.3); a `Signer`.

A key is parsed when it is first used. Secrets leave the object only into the file.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import msgspec

from catenula.base.chacha import SeededRandom
from catenula.base.codec import parse_json
from catenula.base.crypto import AccountSecretKey, AccountSignature, SignatureScheme
from catenula.base.crypto.secret_keys import RandomBytes
from catenula.base.errors import DecodeError, LocalError, ProtocolError
from catenula.base.identifiers import AccountOwner
from catenula.client.files.atomic import locked, read_file, write_atomically
from catenula.client.signers import missing_key

_ADVICE = "make one with `catenula wallet init`, or name another one with --keystore"


class _Content(msgspec.Struct, frozen=True):
    keys: list[tuple[str, list[int]]]
    prng_seed: int | None = None


class KeyStoreFile:
    """The keys of one file. New ones are in the file when the method that made them returns."""

    def __init__(self, path: Path, content: _Content) -> None:
        self.path = path
        self._texts = {owner: bytes(text) for owner, text in content.keys}
        self._seeded: tuple[int, SeededRandom] | None = None
        self._keys: dict[AccountOwner, AccountSecretKey] = {}

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read an existing key store; `LocalError` when there is none or it is damaged."""
        return cls(path, _read(path))

    @classmethod
    def create(
        cls,
        path: Path,
        prng_seed: int | None = None,
        *,
        secrets: Sequence[AccountSecretKey] = (),
    ) -> Self:
        """Make a key store, empty or with these keys; `LocalError` when there is one already.

        With a seed its further keys can be foretold: for tests only.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        keys = sorted((str(secret.owner()), _secret_text(secret)) for secret in secrets)
        content = _Content(keys, prng_seed)
        with locked(path):
            if path.exists() and path.stat().st_size:
                raise LocalError(
                    f"the key store {path} exists already; remove it, or name another one with "
                    "--keystore",
                    retryable=False,
                )
            write_atomically(path, _text(content))
        return cls(path, content)

    # As a signer

    async def contains_key(self, owner: AccountOwner) -> bool:
        """See `Signer`."""
        return str(owner) in self._texts

    async def sign(self, owner: AccountOwner, digest: bytes) -> AccountSignature:
        """See `Signer`."""
        return self.key(owner).sign(digest)

    def key(self, owner: AccountOwner) -> AccountSecretKey:
        """The secret key of an owner; `MissingKey`, or `LocalError` when its text is damaged."""
        found = self._keys.get(owner)
        if found is None:
            text = self._texts.get(str(owner))
            if text is None:
                raise missing_key(owner)
            found = self._keys[owner] = self._parse(owner, text)
        return found

    def _parse(self, owner: AccountOwner, text: bytes) -> AccountSecretKey:
        try:
            return AccountSecretKey.from_json(parse_json(text))
        except DecodeError:
            # The cause is left out: it may show the secret.
            raise LocalError(
                f"the key of {owner} in {self.path} is damaged; restore the file from a copy",
                retryable=False,
            ) from None

    def owners(self) -> list[AccountOwner]:
        """Whose keys are stored, ascending."""
        return sorted(AccountOwner.parse(text) for text in self._texts)

    # New keys

    def generate(
        self, random_bytes: RandomBytes, scheme: SignatureScheme = SignatureScheme.ED25519
    ) -> AccountOwner:
        """Make a new key and store it durably; from the seed if the store has one."""
        with locked(self.path):
            current = _read(self.path)
            seeded = self._source(current.prng_seed)
            secret = AccountSecretKey.generate(scheme, seeded or random_bytes)
            following = None if seeded is None else seeded.next_seed()
            if seeded is not None and following is not None:
                self._seeded = (following, seeded)
            self._put(current, secret, following)
        return secret.owner()

    def _source(self, seed: int | None) -> SeededRandom | None:
        """The stream of a seeded store, which goes on while nobody else has drawn from it."""
        if seed is None:
            return None
        if self._seeded is not None and self._seeded[0] == seed:
            return self._seeded[1]
        return SeededRandom(seed)

    def add(self, secret: AccountSecretKey) -> AccountOwner:
        """Store a key durably."""
        with locked(self.path):
            current = _read(self.path)
            self._put(current, secret, current.prng_seed)
        return secret.owner()

    def _put(self, current: _Content, secret: AccountSecretKey, seed: int | None) -> None:
        owner = secret.owner()
        keys = {**dict(current.keys), str(owner): _secret_text(secret)}
        content = _Content(sorted(keys.items()), seed)
        write_atomically(self.path, _text(content))
        self._texts = {name: bytes(stored) for name, stored in content.keys}
        self._keys[owner] = secret


def _secret_text(secret: AccountSecretKey) -> list[int]:
    return list(json.dumps(secret.to_json(), separators=(",", ":")).encode())


def _text(content: _Content) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content), indent=2)


def _read(path: Path) -> _Content:
    text = read_file(path, "key store", _ADVICE)
    try:
        return msgspec.json.decode(text, type=_Content)
    except (msgspec.DecodeError, ProtocolError):
        # The cause is left out: it may show secrets.
        raise LocalError(
            f"the key store {path} is damaged or not a key store; restore it from a copy",
            retryable=False,
        ) from None
