"""Keys of deterministic tests: the same seed gives the keys that the reference recorded."""

from catenula.base.chacha import SeededRandom
from catenula.base.crypto import AccountSecretKey, SignatureScheme, ValidatorSecretKey

# Seed 38 of run a-nofees: the owners of its genesis chains, in the order they were made, and the
# number in its key store afterwards.
_OWNERS = [
    "0xebc621ebb4c6bd388df14c5de128e86c5cb8396a84df29bdf842ad0e51a930f6",
    "0xe30e44d137680b6411498c9bb196299329e55af237dbc00e9c679256bb1432c6",
    "0xca11ca0b5dde18776a671d931aca653b90b0a9c9b6cda50f4c1e7baaf15a1eda",
    "0xa253d32b35b5c5d6e127b213a0b5792231984aff4c0dade27c1af83aab5d10bc",
    "0x8ffe333e4b951fdef4589c47265634ad5e40ffd31d12a06822fbeb57a50e1250",
]
_NEXT_SEED = 8196228113396656718


def test_a_seed_gives_the_wallet_keys_of_the_reference() -> None:
    random, owners, seed = SeededRandom(38), [], 0
    for _ in _OWNERS:
        key = AccountSecretKey.generate(SignatureScheme.ED25519, random)
        owners.append(str(key.owner()))
        seed = random.next_seed()
    assert (owners, seed) == (_OWNERS, _NEXT_SEED)


def test_a_seed_gives_the_validator_keys_of_the_reference() -> None:
    random = SeededRandom(37)
    consensus = ValidatorSecretKey.generate(random).public_key()
    account = AccountSecretKey.generate(SignatureScheme.ED25519, random).public_key()
    assert str(consensus) == "03d65441d55784a3a47b9e3894976fa60209dd677d659447693b467dcf4985c4b0"
    assert str(account) == "0022e17a2d29db7479d5b252d1b599761914d382a1a079ffd0968f91fb8b807e46"
