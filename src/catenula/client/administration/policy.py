"""Editing prices and limits of a committee (spec 02 §14).

Every field of the policy is one option of the commands; amounts are given in tokens.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from catenula.base.codec import codec_of
from catenula.base.identifiers import ApplicationId
from catenula.base.integers import U64, Amount
from catenula.protocol import ResourceControlPolicy

ALLOW_LIST_FIELD = "http_request_allow_list"
_FREE_APPLICATION_FLAG = "FLAG_FREE_APPLICATION_ID_{}.linera.network"

PRICE_FIELDS = tuple(
    name
    for name, kind in ResourceControlPolicy.__annotations__.items()
    if kind in (Amount, "Amount")
)
"""Fields in attotokens, in the order of the policy."""

LIMIT_FIELDS = tuple(
    name for name, kind in ResourceControlPolicy.__annotations__.items() if kind in (U64, "U64")
)
"""Fields that are numbers, in the order of the policy."""


def edit_policy(
    policy: ResourceControlPolicy,
    changes: Mapping[str, Amount | U64],
    *,
    allow_list: Iterable[str] | None = None,
    free_applications: Iterable[ApplicationId] = (),
) -> ResourceControlPolicy:
    """The policy with other prices and limits.

    ``allow_list`` replaces the list of hosts and flags; ``free_applications`` are added to it.
    """
    hosts = set(policy.http_request_allow_list if allow_list is None else allow_list)
    hosts |= {_FREE_APPLICATION_FLAG.format(application) for application in free_applications}
    return policy.replace(**changes, **{ALLOW_LIST_FIELD: tuple(sorted(hosts))})


def policy_to_json(policy: ResourceControlPolicy) -> Any:
    """The policy as in a genesis file."""
    return codec_of(ResourceControlPolicy).to_json(policy)


def policy_lines(policy: ResourceControlPolicy) -> list[str]:
    """The policy for a person, one field a line."""
    fields: dict[str, Any] = policy_to_json(policy)
    hosts = ", ".join(fields.pop(ALLOW_LIST_FIELD)) or "nothing"
    width = max(len(name) for name in (*fields, ALLOW_LIST_FIELD))
    unlimited = int(ResourceControlPolicy().maximum_block_size)
    lines = [
        f"{name:<{width}}  {'no limit' if value == unlimited else value}"
        for name, value in fields.items()
    ]
    return [*lines, f"{ALLOW_LIST_FIELD:<{width}}  {hosts}"]
