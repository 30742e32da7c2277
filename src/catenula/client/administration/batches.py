"""Files that list validators: to be queried, or to be changed (spec 08 §1.5)."""

from typing import Any

from msgspec import Struct

from catenula.base.codec import codec_of
from catenula.base.crypto import AccountPublicKey, Secp256k1PublicKey
from catenula.base.errors import DecodeError
from catenula.base.integers import U64, U64_MAX
from catenula.protocol import ValidatorState

DEFAULT_VOTES = U64(1)

_ACCOUNT_KEYS = codec_of(AccountPublicKey)


class QueriedValidator(Struct, frozen=True):
    """A validator that is to be asked."""

    public_key: Secp256k1PublicKey
    address: str


def parse_query_batch(data: Any) -> list[QueriedValidator]:
    """Read ``{"validators": [{publicKey, accountKey, networkAddress, votes?}]}``; `DecodeError`."""
    if type(data) is not dict or type(data.get("validators")) is not list:
        raise DecodeError("NotABatch", expected="an object with the list validators")
    return [_parse_queried(item) for item in data["validators"]]


def _parse_queried(item: Any) -> QueriedValidator:
    if type(item) is not dict:
        raise DecodeError("NotAValidator", expected="an object")
    public_key = Secp256k1PublicKey.parse(_text(item, "publicKey", "a validator"))
    _read_state(item, str(public_key), address_field="networkAddress")
    return QueriedValidator(public_key, item["networkAddress"])


def parse_changes(data: Any) -> dict[Secp256k1PublicKey, ValidatorState | None]:
    """Read ``{public key: {accountKey, address, votes?} | null}``; `DecodeError`."""
    if type(data) is not dict:
        raise DecodeError("NotABatch", expected="an object of validators by public key")
    return {Secp256k1PublicKey.parse(key): _parse_change(key, item) for key, item in data.items()}


def _parse_change(key: str, item: Any) -> ValidatorState | None:
    if item is None:
        return None
    if type(item) is not dict:
        raise DecodeError("NotAChange", validator=key, expected="an object, or null to remove")
    return _read_state(item, key, address_field="address")


def _read_state(item: dict[str, Any], name: str, *, address_field: str) -> ValidatorState:
    address = _text(item, address_field, name)
    if "accountKey" not in item:
        raise DecodeError("MissingField", validator=name, field="accountKey")
    votes = item.get("votes", int(DEFAULT_VOTES))
    if type(votes) is not int or not 0 < votes <= U64_MAX:
        raise DecodeError("InvalidVotes", validator=name, found=votes, expected="a number above 0")
    return ValidatorState(address, U64(votes), _ACCOUNT_KEYS.from_json(item["accountKey"]))


def _text(item: dict[str, Any], field: str, name: str) -> str:
    if field not in item:
        raise DecodeError("MissingField", validator=name, field=field)
    text = item[field]
    if type(text) is not str:
        raise DecodeError("InvalidField", validator=name, field=field, expected="a text")
    return text
