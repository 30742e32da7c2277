"""What every command prints with ``--json``: one shape each, the source of docs/cli-json.md.

A shape is data: a text names a kind of ``KINDS`` (with ``?`` behind it when it may be null), a dict
is an object (``?`` behind a field that may be absent), a list of one shape is a list. Several
shapes in a tuple are alternatives. ``catenula help-json`` prints the document; a test compares it.
"""

import json
from collections.abc import Iterator
from typing import Any

KINDS = {
    "amount": "text: tokens in decimal, such as `10.` or `0.25`",
    "boolean": "`true` or `false`",
    "chain id": "text: 64 hexadecimal digits",
    "hash": "text: 64 hexadecimal digits",
    "integer": "whole number",
    "key": "text: a public key in hexadecimal digits",
    "number": "number, possibly with a fraction",
    "object": "object in the protocol's own JSON form",
    "owner": "text: `0x` and 2, 40 or 64 hexadecimal digits",
    "text": "text",
    "time": "whole number: microseconds since 1970-01-01 UTC",
}

_TEXTS = frozenset(("amount", "chain id", "hash", "key", "owner", "text"))
_INTEGERS = frozenset(("integer", "time"))

BLOCK = {"chain_id": "chain id", "height": "integer", "hash": "hash", "round": "text"}
"""A block that was made."""

_TRIED: dict[str, Any] = {
    "height?": "integer",
    "operations?": ["text"],
    "fees?": "amount",
    "wasm_fuel?": "integer",
    "block_size?": "integer",
    "messages?": "integer",
    "rejected_bundles?": "integer",
    "dropped_bundles?": "integer",
}

DRY_RUN: dict[str, Any] = {"dry_run": "boolean", "chain_id": "chain id", **_TRIED}
"""What a block would do and cost."""

_MADE = (BLOCK, DRY_RUN)
_CREATED = ({"application_id": "hash", "block": BLOCK}, DRY_RUN)
_DRY_RUN_OF_TWO = {**DRY_RUN, "then": _TRIED}
_PUBLISHED_AND_CREATED = (_CREATED[0], _DRY_RUN_OF_TWO)
_BALANCE = {"chain_id": "chain id", "owner": "owner", "balance": "amount"}
_OWNED = {"chain_id": "chain id", "owner": "owner?"}
_EPOCH = ({"epoch": "integer", **BLOCK}, DRY_RUN)
_MEMBER = {"public_key": "key", "address": "text", "account_key": "text", "votes": "integer"}
_PLAN = {"add": [_MEMBER], "modify": [_MEMBER], "remove": ["key"]}
_REPORT = {
    "public_key": "key?",
    "address": "text?",
    "votes": "integer?",
    "version": "object?",
    "genesis_config_hash": "hash?",
    "chain": "object?",
    "errors": ["text"],
}

SHAPES: dict[str, Any] = {
    "transfer": _MADE,
    "open-chain": ({"chain_id": "chain id", "owner": "owner", "block": BLOCK}, DRY_RUN),
    "open-multi-owner-chain": ({"chain_id": "chain id", "block": BLOCK}, DRY_RUN),
    "show-ownership": {
        "super_owners": ["owner"],
        "owners": "object",
        "multi_leader_rounds": "integer",
        "open_multi_leader_rounds": "boolean",
        "timeout_config": "object",
    },
    "change-ownership": _MADE,
    "set-preferred-owner": _OWNED,
    "change-application-permissions": _MADE,
    "close-chain": (BLOCK, DRY_RUN, "object?"),
    "show-network-description": "object?",
    "local-balance": _BALANCE,
    "query-balance": _BALANCE,
    "sync-balance": _BALANCE,
    "sync": {"chain_id": "chain id", "next_block_height": "integer"},
    "process-inbox": ([BLOCK], DRY_RUN),
    "retry-pending-block": (BLOCK, DRY_RUN, "object?"),
    "keygen": {"owner": "owner"},
    "import-keys": {"owners": ["owner"]},
    "assign": _OWNED,
    "watch": {"chain_id": "chain id", "reason": "object"},
    "publish-module": ({"module_id": "text", "block": BLOCK}, DRY_RUN),
    "publish-module-with-formats": (
        {"module_id": "text", "formats": "hash", "block": BLOCK},
        _DRY_RUN_OF_TWO,
    ),
    "create-application": _CREATED,
    "publish-and-create": _PUBLISHED_AND_CREATED,
    "describe-application": "object",
    "execute-operation": ({"results": ["text"], "block": BLOCK}, DRY_RUN),
    "project new": {"project": "text"},
    "project test": {"project": "text"},
    "project publish-and-create": _PUBLISHED_AND_CREATED,
    "publish-data-blob": ({"blob_hash": "hash", "block": BLOCK}, DRY_RUN),
    "read-data-blob": _MADE,
    "list-events-from-index": [{"index": "integer", "event": "text"}],
    "wallet show": [
        {
            "chain_id": "chain id",
            "tags": ["text"],
            "parent": "chain id?",
            "owner": "owner?",
            "timestamp": "time",
            "next_block_height": "integer",
            "block_hash": "hash?",
            "epoch": "integer",
            "has_pending_proposal": "boolean",
        }
    ],
    "wallet set-default": {"default": "chain id"},
    "wallet init": {"wallet": "text", "keystore": "text"},
    "wallet request-chain": _OWNED,
    "wallet export-genesis": {"path": "text"},
    "wallet follow-chain": {"chain_id": "chain id"},
    "wallet forget-keys": _OWNED,
    "wallet forget-chain": {"chain_id": "chain id"},
    "chain show-block": {"hash": "hash", "block": "object"},
    "chain show-chain-description": "object",
    "server generate": {"public_key": "key", "account_key": "text", "address": "text"},
    "server initialize": {"network": "text", "storage": "text"},
    "server inspect": "object",
    "validator list": {"chain_id": "chain id", "local": _REPORT, "validators": [_REPORT]},
    "validator query": _REPORT,
    "validator query-block": {"hash": "hash", "block": "object"},
    "validator batch-query": [_REPORT],
    "validator compare": {
        "chain_id": "chain id",
        "views": ["object"],
        "differences": [{"name": "text", "field": "text"}],
    },
    "validator add": _EPOCH,
    "validator update": (*_EPOCH, {"dry_run": "boolean", **_PLAN}),
    "validator remove": _EPOCH,
    "validator benchmark": "object",
    "validator sync": {"address": "text", "chains": ["chain id"]},
    "faucet": {"url": "text", "chain_id": "chain id"},
    "service": {"url": "text", "metrics_url": "text?", "chains": "integer"},
    "net up": {
        "wallet": "text",
        "keystore": "text",
        "storage": "text",
        "genesis": "text",
        "admin_chain": "chain id",
        "chains": ["chain id"],
        "validators": ["text"],
        "faucet": "text?",
    },
    "create-genesis-config": {
        "genesis": "text",
        "wallet": "text",
        "admin_chain": "chain id",
        "chains": ["chain id"],
    },
    "resource-control-policy": ({"policy": "object"}, *_EPOCH),
    "revoke-epochs": _MADE,
    "storage delete-all": {"deleted": ["text"]},
    "storage delete-namespace": {"deleted": ["text"]},
    "storage check-existence": {"exists": "boolean"},
    "storage initialize": {"storage": "text", "network": "text"},
    "storage list-namespaces": ["text"],
    "storage list-blob-ids": ["text"],
    "storage list-chain-ids": ["chain id"],
    "tour": {
        "ok": "boolean",
        "seconds": "number",
        "claims": {"held": "integer", "checked": "integer"},
        "steps": ["object"],
        "skipped": ["text"],
    },
    "bench": "object",
}

LINE_BY_LINE = frozenset(("watch", "server generate"))
"""Commands that print one value per line as they go."""

ERROR = {"error": {"code": "text", "what": "text"}}
"""What goes to stderr when a command with ``--json`` fails; more fields may follow."""


def mismatches(shape: Any, data: Any, place: str = "") -> Iterator[str]:
    """Where ``data`` does not have the shape."""
    if isinstance(shape, tuple):
        if all(any(mismatches(option, data, place)) for option in shape):
            yield f"{place or '.'}: none of the alternatives"
    elif isinstance(shape, list):
        yield from _list_mismatches(shape[0], data, place)
    elif isinstance(shape, dict):
        yield from _object_mismatches(shape, data, place)
    elif not _is_of_kind(shape, data):
        yield f"{place or '.'}: {data!r} is not of the kind {shape}"


def _list_mismatches(item: Any, data: Any, place: str) -> Iterator[str]:
    if not isinstance(data, list):
        yield f"{place or '.'}: not a list"
        return
    for index, value in enumerate(data):
        yield from mismatches(item, value, f"{place}[{index}]")


def _object_mismatches(shape: dict[str, Any], data: Any, place: str) -> Iterator[str]:
    if not isinstance(data, dict):
        yield f"{place or '.'}: not an object"
        return
    names = {name.rstrip("?"): name for name in shape}
    for name in data.keys() - names.keys():
        yield f"{place}.{name}: not described"
    for name, field in names.items():
        if name in data:
            yield from mismatches(shape[field], data[name], f"{place}.{name}")
        elif not field.endswith("?"):
            yield f"{place}.{name}: missing"


def _is_of_kind(kind: str, data: Any) -> bool:
    if data is None:
        return kind.endswith("?")
    name = kind.rstrip("?")
    if name in _TEXTS:
        return isinstance(data, str)
    if name == "boolean":
        return isinstance(data, bool)
    if name in _INTEGERS:
        return isinstance(data, int) and not isinstance(data, bool)
    return isinstance(data, int | float) if name == "number" else isinstance(data, dict)


# The document

_TITLE = """# What commands print with `--json`

Every command takes `--json` and then prints one JSON value to stdout, or, where this is said, one
value per line as it goes. Nothing else goes to stdout. A field may be added later; none changes its
meaning. When a command fails, one line of JSON goes to stderr, `{"error": {"code": …, "what": …}}`
with more fields where there is more to say (chain, height, reasons per validator, next step), and
the exit status is the same as without `--json`.

This file is printed by `catenula help-json`.

## Kinds of values

A `?` behind a kind says that the value may be `null`; behind a field, that it may be absent.
"""


def document() -> str:
    """The text of docs/cli-json.md."""
    lines = [_TITLE, "| kind | what it is |", "|---|---|"]
    lines += [f"| {kind} | {text} |" for kind, text in KINDS.items()]
    lines += ["", "## Commands", ""]
    for name, shape in SHAPES.items():
        lines += [f"### `catenula {name}`", ""]
        if name in LINE_BY_LINE:
            lines += ["One value per line.", ""]
        options = shape if isinstance(shape, tuple) else (shape,)
        for number, option in enumerate(options):
            lines += ["or", ""] * bool(number)
            lines += ["```", _shown(option), "```", ""]
    return "\n".join(lines)


def _shown(shape: Any) -> str:
    text = json.dumps(shape, indent=2, ensure_ascii=False)
    return text.replace('"', "")
