"""Hypothesis strategies for values of any wire type, derived from its schema."""

from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from catenula.base.codec import schema
from catenula.base.codec.ordering import value_order
from catenula.base.crypto import AccountSecretKey, SignatureScheme, ValidatorSecretKey
from catenula.base.integers import U64_MAX
from catenula.protocol import BlobType, sort_signatures
from catenula.protocol.registry import codec_by_name

MAXIMUM_ELEMENTS = 3
DIGEST = bytes(range(32))
VALIDATORS = [ValidatorSecretKey(bytes(31) + bytes((number,))) for number in range(1, 7)]


def _account(scheme: SignatureScheme, number: int) -> AccountSecretKey:
    return AccountSecretKey.generate(scheme, lambda size: bytes(size - 1) + bytes((number,)))


ACCOUNTS = [_account(scheme, number) for scheme in SignatureScheme for number in (1, 2, 3)]
_SAMPLES: dict[str, list[Any]] = {
    "Secp256k1PublicKey": [key.public_key() for key in VALIDATORS],
    "Secp256k1Signature": [key.sign(DIGEST) for key in VALIDATORS],
    "EvmPublicKey": [key.public_key().key for key in ACCOUNTS if key.SCHEME == 2],
    "EvmSignature": [
        codec_by_name("EvmSignature").from_bcs(key.sign(DIGEST)[1:66])
        for key in ACCOUNTS
        if key.SCHEME == 2
    ],
    "AccountPublicKey": [key.public_key() for key in ACCOUNTS],
    "AccountSignature": [key.sign(DIGEST) for key in ACCOUNTS],
}
"""Types whose bytes cannot be random."""


@cache
def values_named(name: str) -> SearchStrategy[Any]:
    """Values of a type by its protocol name."""
    return values(codec_by_name(name).node)


def values(node: schema.Node) -> SearchStrategy[Any]:
    """Values of a node's type that every encoder accepts and every decoder gives back."""
    if node.name in _SAMPLES:
        return st.sampled_from(_SAMPLES[node.name])
    found: SearchStrategy[Any] = _BUILDERS[_kind(node)](node)
    return found


def _kind(node: schema.Node) -> type[schema.Node]:
    return next(kind for kind in _BUILDERS if isinstance(node, kind))


def _tagged(node: Any) -> SearchStrategy[Any]:
    return st.one_of(*(_of_tag(node, tag, size) for tag, size in node.payload_sizes.items()))


def _of_tag(node: Any, tag: int, size: int) -> SearchStrategy[Any]:
    payloads = st.binary(min_size=size, max_size=size)
    return payloads.map(lambda payload: node.cls(bytes((tag,)) + payload))


def _sequence(node: Any) -> SearchStrategy[Any]:
    items = st.lists(values(node.item), max_size=MAXIMUM_ELEMENTS)
    if not node.is_set:
        return items.map(tuple)
    order = value_order(node.item)
    return items.map(lambda found: tuple(sorted(set(found), key=order)))


def _map(node: Any) -> SearchStrategy[Any]:
    order = value_order(node.key)
    entries = st.dictionaries(values(node.key), values(node.value), max_size=MAXIMUM_ELEMENTS)
    return entries.map(lambda found: {key: found[key] for key in sorted(found, key=order)})


def _record(node: Any) -> SearchStrategy[Any]:
    fields = {name: values(field) for name, field in node.fields}
    if node.name == "Blob":
        fields["blob_type"] = st.sampled_from(
            [kind for kind in BlobType if kind is not BlobType.APPLICATION_DESCRIPTION]
        )
    if "signatures" in fields:
        fields["signatures"] = fields["signatures"].map(_distinct_signers)
    if "votes" in fields:
        fields["votes"] = st.integers(0, U64_MAX // 8)
    return st.builds(node.cls, **fields)


def _distinct_signers(signatures: Any) -> Any:
    return sort_signatures(tuple(dict(signatures).items()))


def _enum(node: Any) -> SearchStrategy[Any]:
    return st.one_of(*(values(variant.payload) for variant in node.variants))


_BUILDERS: dict[type[schema.Node], Any] = {
    schema.IntegerNode: lambda node: st.integers(0, 2**node.bits - 1),
    schema.BoolNode: lambda node: st.booleans(),
    schema.BytesNode: lambda node: st.binary(max_size=12),
    schema.StringNode: lambda node: st.text(st.characters(codec="utf-8"), max_size=12),
    schema.FixedBytesNode: lambda node: st.binary(min_size=node.size, max_size=node.size).map(
        node.cls
    ),
    schema.TaggedBytesNode: _tagged,
    schema.IntEnumNode: lambda node: st.sampled_from(node.members),
    schema.OptionNode: lambda node: st.none() | values(node.item),
    schema.SequenceNode: _sequence,
    schema.MapNode: _map,
    schema.TupleNode: lambda node: st.tuples(*(values(item) for item in node.items)),
    schema.RecordNode: _record,
    schema.EnumNode: _enum,
}


@st.composite
def damaged(draw: Any, data: bytes) -> bytes:
    """``data`` with a byte changed, removed or added, or cut at a random place."""
    byte: bytes = draw(st.binary(min_size=1, max_size=1))
    if not data:
        return byte
    place = draw(st.integers(0, len(data) - 1))
    kind = draw(st.sampled_from(("change", "remove", "add", "cut", "repeat")))
    if kind == "cut":
        return data[:place]
    if kind == "repeat":
        return data[:place] + data[place:] * 2
    kept = data[place + (kind != "add") :]
    return data[:place] + (b"" if kind == "remove" else byte) + kept
