"""The scalars of the node service's interface and how arguments of them are read (spec 08 §2.7)."""

from collections.abc import Callable
from typing import Any

from catenula.base.codec import codec_of
from catenula.base.errors import DecodeError, ProtocolError
from catenula.base.identifiers import (
    AccountOwner,
    ApplicationId,
    ChainId,
    CryptoHash,
    GenericApplicationId,
)
from catenula.base.integers import U64_MAX, Epoch, parse_amount, parse_unsigned
from catenula.protocol import Account, BlobId, Committee, ModuleId, StreamName, VmRuntime
from catenula.services.http.graphql.api import ScalarParsers
from catenula.services.node.identifiers import hexadecimal, parse_hash
from catenula.services.node.schema.declaring import scalar

SCALARS = (
    scalar("Account", "An owner's tokens on a chain: a JSON object of `chain_id` and `owner`."),
    scalar("AccountOwner", "Who owns tokens or a chain: `0x` and 64, 40 or 2 hexadecimal digits."),
    scalar("Amount", "A number of tokens as a decimal text."),
    scalar("ApplicationDescription", "What an application is made of, as a JSON object."),
    scalar("ApplicationId", "The hash of an application's description, 64 hexadecimal digits."),
    scalar("Blob", "The bytes of a blob, in hexadecimal digits."),
    scalar("BlobId", "Kind and hash of a blob, with a colon between them."),
    scalar("BlockHeight", "The position of a block in its chain; the first has 0."),
    scalar("Bytecode", "A program: a JSON object whose `bytes` are a list of numbers."),
    scalar("ChainDescription", "How a chain began: its origin, time and first configuration."),
    scalar("ChainId", "The hash of a chain's description, 64 hexadecimal digits."),
    scalar("ChainOwnership", "Who may propose blocks of a chain, and in which rounds."),
    scalar("CryptoHash", "A hash, 64 hexadecimal digits."),
    scalar("Epoch", "The number of a committee's term, as a text."),
    scalar("GenericApplicationId", "`System`, or an object whose `User` is an application's id."),
    scalar("JSON", "Any JSON value."),
    scalar("JSONObject", "A JSON object."),
    scalar("Message", "What one chain tells another, in JSON."),
    scalar("MessageAction", "Whether a block takes a bundle: `Accept` or `Reject`."),
    scalar("MessageKind", "How a message may be skipped, refused and sent back."),
    scalar("ModuleId", "The hashes of a module's programs and its machine, 130 digits."),
    scalar("Notification", "Something that happened to a chain."),
    scalar("OperationResult", "What an operation answered, a list of numbers."),
    scalar("OracleResponse", "What a block learned from outside of its chain."),
    scalar("ResourceControlPolicyScalar", "Prices and limits as a JSON object."),
    scalar("Round", "A round of consensus."),
    scalar("StreamName", "The name of an event stream, a list of numbers."),
    scalar("Timestamp", "Microseconds since 1970."),
    scalar("VersionInfo", "Version and interface hashes of this server."),
    scalar("VmRuntime", "The machine of a module: `Wasm` or `Evm`."),
)


class BadScalar(DecodeError):
    """A value that is none of its scalar; says why in the words clients of the reference know."""

    def message(self) -> str:
        """The text."""
        return self.code


Parser = Callable[[Any], Any]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    shown = {bool: "boolean", int: "integer", float: "floating point", dict: "map"}
    kind = shown.get(type(value), "sequence")
    raise BadScalar(f"invalid type: {kind}, expected a string")


def _hash_of(kind: type[CryptoHash]) -> Parser:
    def parse(value: Any) -> CryptoHash:
        return parse_hash(kind, _text(value))

    return parse


def _owner(value: Any) -> AccountOwner:
    text = _text(value)
    try:
        return AccountOwner.parse(text)
    except DecodeError as error:
        raise BadScalar(f"Invalid address value: {text}") from error


def _amount(value: Any) -> Any:
    try:
        return parse_amount(_text(value))
    except ProtocolError as error:
        raise BadScalar("cannot parse amount") from error


def _account(value: Any) -> Account:
    if not isinstance(value, dict):
        return Account.parse(_text(value))
    for name in ("chain_id", "owner"):
        if name not in value:
            raise BadScalar(f"missing field `{name}`")
    return Account(_hash_of(ChainId)(value["chain_id"]), _owner(value["owner"]))


def _unsigned(maximum: int, number: Callable[[int], Any] = int) -> Parser:
    def parse(value: Any) -> Any:
        if isinstance(value, str):
            return number(parse_unsigned(value, maximum))
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= maximum:
            return number(value)
        raise BadScalar(f"invalid value, expected an integer from 0 to {maximum}")

    return parse


def _bytes(value: Any) -> bytes:
    numbers = value if isinstance(value, list) else None
    if numbers is None or not all(type(each) is int and 0 <= each <= 255 for each in numbers):
        raise BadScalar("invalid value, expected a list of integers from 0 to 255")
    return bytes(numbers)


def _bytecode(value: Any) -> bytes:
    if not isinstance(value, dict) or "bytes" not in value:
        raise BadScalar("missing field `bytes`")
    content = value["bytes"]
    if isinstance(content, str):
        return hexadecimal(content, len(content) // 2)
    return _bytes(content)


def _stream_name(value: Any) -> StreamName:
    return StreamName(_bytes(value))


def _generic_application(value: Any) -> GenericApplicationId:
    if value == "System":
        return GenericApplicationId.SYSTEM
    if isinstance(value, dict) and set(value) == {"User"}:
        return GenericApplicationId.user(_hash_of(ApplicationId)(value["User"]))
    raise BadScalar("unknown variant, expected `System` or `User`")


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadScalar("invalid type, expected an object")
    return value


SCALAR_PARSERS = ScalarParsers(
    {
        "Account": _account,
        "AccountOwner": _owner,
        "Amount": _amount,
        "ApplicationId": _hash_of(ApplicationId),
        "BlobId": lambda value: BlobId.parse(_text(value)),
        "BlockHeight": _unsigned(U64_MAX),
        "Bytecode": _bytecode,
        "ChainId": _hash_of(ChainId),
        "CryptoHash": _hash_of(CryptoHash),
        "Epoch": _unsigned(2**32 - 1, Epoch),
        "GenericApplicationId": _generic_application,
        "JSONObject": _object,
        "ModuleId": lambda value: ModuleId.from_bcs(hexadecimal(_text(value), 65)),
        "ResourceControlPolicyScalar": _object,
        "StreamName": _stream_name,
        "VmRuntime": lambda value: VmRuntime.parse(_text(value)),
    }
)

COMMITTEE = codec_of(Committee)
