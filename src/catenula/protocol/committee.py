"""Committees: the validators of an epoch with their votes, and the policy (spec 01 §6.5, §9)."""

from collections.abc import Mapping
from typing import Any, Self

from catenula.base.codec import MemoRecord, Record
from catenula.base.codec.schema import RecordNode, collect_fields, json_mismatch
from catenula.base.crypto import AccountPublicKey, Secp256k1PublicKey
from catenula.base.errors import DecodeError
from catenula.base.integers import U64, U64_MAX
from catenula.base.memo import cached_property
from catenula.protocol.policy import ResourceControlPolicy

_THRESHOLDS = ("total_votes", "quorum_threshold", "validity_threshold")


class ValidatorState(Record, frozen=True):
    """A validator's public address, votes and account key."""

    network_address: str
    votes: U64
    account_public_key: AccountPublicKey


class Committee(MemoRecord, frozen=True):
    """The validators of an epoch by consensus key, in key order, and the resource policy."""

    validators: Mapping[Secp256k1PublicKey, ValidatorState]
    policy: ResourceControlPolicy = ResourceControlPolicy()

    @cached_property
    def total_votes(self) -> int:
        """N, the sum of all votes."""
        return sum(state.votes for state in self.validators.values())

    @cached_property
    def quorum_threshold(self) -> int:
        """⌊2N/3⌋ + 1: two sets of this weight share an honest validator."""
        return 2 * self.total_votes // 3 + 1

    @cached_property
    def validity_threshold(self) -> int:
        """⌈N/3⌉: a set of this weight holds an honest validator."""
        return -(-self.total_votes // 3)

    def weight(self, validator: Secp256k1PublicKey) -> int:
        """Votes of ``validator``; 0 for a stranger."""
        state = self.validators.get(validator)
        return state.votes if state is not None else 0

    def check_decoded(self) -> None:
        """Refuse committees whose votes do not fit in a u64."""
        if self.total_votes > U64_MAX:
            raise DecodeError("TooManyVotes", total_votes=self.total_votes)

    def to_json_form(self, node: RecordNode) -> Any:
        """JSON with the three derived numbers (spec 01 §1.4)."""
        plain = node.fields_to_json(self)
        derived = {name: getattr(self, name) for name in _THRESHOLDS}
        return {"validators": plain["validators"], **derived, "policy": plain["policy"]}

    @classmethod
    def from_json_form(cls, node: RecordNode, data: Any) -> Self:
        """Read the JSON form; the derived numbers must be right."""
        names = ("validators", *_THRESHOLDS, "policy")
        if type(data) is list:
            if len(data) != len(names):
                raise json_mismatch("a committee", data)
            found = dict(zip(names, data, strict=True))
        else:
            found = collect_fields(data, set(names))
        fields = dict(node.fields)
        if missing := set(names) - set(found):
            raise DecodeError("MissingField", record="Committee", field=min(missing))
        committee = cls(
            fields["validators"].from_json(found["validators"]),
            fields["policy"].from_json(found["policy"]),
        )
        committee.check_decoded()
        for name in _THRESHOLDS:
            if type(found[name]) is not int or found[name] != getattr(committee, name):
                raise DecodeError("InconsistentCommittee", field=name, found=found[name])
        return committee
