"""Fake validators: a committee, and nodes whose answers a test scripts."""

from collections.abc import Callable
from typing import Any, cast

from catenula.base.integers import U64
from catenula.client.remote_node import RemoteNode
from catenula.protocol import Committee, ValidatorState
from catenula.testing.keys import account_key, validator_key
from catenula.transport.validator_node import ValidatorNode


class FakeNode:
    """A validator that answers with what was put into it."""

    def __init__(self, **answers: Callable[..., Any]) -> None:
        self.address = "fake"
        self.calls: list[str] = []
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        answer = self._answers[name]

        async def call(*arguments: Any, **options: Any) -> Any:
            self.calls.append(name)
            return answer(*arguments, **options)

        return call


def committee_of(*votes: int) -> Committee:
    """Validators with these votes; validator ``n`` has key ``n``."""
    members = [
        (
            validator_key(number).public_key(),
            ValidatorState(f"fake:{number}", U64(weight), account_key(number).public_key()),
        )
        for number, weight in enumerate(votes)
    ]
    return Committee(dict(sorted(members, key=lambda member: member[0].order_key())))


def remote(number: int, **answers: Callable[..., Any]) -> RemoteNode:
    """Validator ``number`` of `committee_of`."""
    node = cast(ValidatorNode, FakeNode(**answers))
    return RemoteNode(validator_key(number).public_key(), f"fake:{number}", node)
