"""Replays recorded traces of the chain manager and of its pure rules (vectors/types/README.md).

`run_manager_entry` plays one validator's trace and compares every reported state; the manager is
saved and loaded again after every step, so that the trace also proves what is stored.
`run_consensus_entry` compares leaders, rounds, ownership predicates and thresholds. Both return
the differences as one line of text each.
"""

from collections.abc import Callable
from typing import Any

from catenula.base.codec import codec_of
from catenula.base.crypto import (
    AccountPublicKey,
    Ed25519PublicKey,
    Secp256k1PublicKey,
    ValidatorSecretKey,
)
from catenula.base.errors import ProtocolError
from catenula.base.identifiers import AccountOwner, ChainId
from catenula.base.integers import BlockHeight, Epoch, Timestamp
from catenula.chain import ownership_rules
from catenula.chain.cells import CellGroup
from catenula.chain.leader import LeaderDistribution
from catenula.chain.manager import ChainManager, Check
from catenula.chain.ownership_rules import RoundRules
from catenula.protocol import (
    Block,
    BlockProposal,
    BlockVote,
    ChainOwnership,
    Committee,
    LiteVote,
    Round,
    TimeoutCertificate,
    ValidatedBlockCertificate,
    ValidatorState,
)
from catenula.storage.batch import Batch
from catenula.storage.memory import MemoryStore
from catenula.views.base import Context

_ROUND = codec_of(Round)
_VOTE = codec_of(LiteVote | None)


def run_manager_entry(entry: dict[str, Any]) -> list[str]:
    """Play a ``manager_trace`` entry; what differs, one line each."""
    return _ManagerTrace(entry).run()


class _ManagerTrace:
    """One trace: the manager under test and the expectations of the entry."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self._entry = entry
        self._chain_id = ChainId.parse(entry["chain_id"])
        self._epoch = Epoch(int(entry["epoch"]))
        self._rules = RoundRules(
            codec_of(ChainOwnership).from_json(entry["ownership"]),
            BlockHeight(entry["height"]),
            codec_of(Committee).from_json(entry["committee"]),
        )
        self._key = ValidatorSecretKey.from_json(entry["validator_secret"])
        blocks = [codec_of(Block).from_json(block) for block in entry["blocks"]]
        self._blocks = {str(block.hash): block for block in blocks}
        self._store = MemoryStore("memory:")
        self._differences: list[str] = []
        self._load()

    def _load(self) -> None:
        partition = self._store.partition(b"chain")
        self._cells = CellGroup(Context(partition, b"\x00"))
        self._manager = ChainManager(self._cells, Context(partition, b"\x01"), self._rules)

    def _save_and_load(self) -> None:
        batch = Batch()
        self._manager.save(batch)
        self._cells.save(batch)
        self._store.commit([(b"chain", batch)])
        self._load()

    def run(self) -> list[str]:
        """Play all steps."""
        recorded = {name: self._entry[name] for name in ("validator_key", "block_hashes")}
        found = {"validator_key": str(self._key.public_key()), "block_hashes": list(self._blocks)}
        self._compare("entry", recorded, found)
        self._manager.reset(self._rules, Timestamp(self._entry["reset_now"]))
        self._save_and_load()
        self._compare("initial", self._entry["initial_state"], self._state())
        for number, step in enumerate(self._entry["steps"]):
            place = f"step {number} ({step['event']})"
            expected = {name: step[name] for name in _RESULTS if name in step}
            handler: Callable[[dict[str, Any]], dict[str, Any]] = getattr(self, f"_{step['event']}")
            self._compare(place, expected, handler(step))
            self._save_and_load()
            self._compare(place, step["state"], self._state())
        return self._differences

    def _compare(self, place: str, expected: dict[str, Any], found: dict[str, Any]) -> None:
        for name in sorted(expected.keys() | found.keys()):
            if expected.get(name) != found.get(name):
                self._differences.append(
                    f"{place}: {name} is {found.get(name)!r}, expected {expected.get(name)!r}"
                )

    def _proposal(self, step: dict[str, Any]) -> dict[str, Any]:
        proposal = codec_of(BlockProposal).from_json(step["proposal"])
        now = Timestamp(step["now"])
        try:
            proposal.check_invariants()
        except ProtocolError:
            return {"stopped_at": "invariants"}
        if not self._rules.may_propose(proposal.owner, proposal.content.round):
            return {"stopped_at": "owner"}
        result: dict[str, Any]
        try:
            check = self._manager.check_proposed_block(proposal)
        except ProtocolError as error:
            result = {"check": "error", "result": "error", "error": error.code}
            if error.code == "HasIncompatibleConfirmedVote":
                changed = self._manager.update_signed_proposal(proposal, now)
                result["signed_proposal_updated"] = changed
            return result
        if check is Check.SKIP:
            return {"check": check.value}
        changed = self._manager.update_signed_proposal(proposal, now)
        result = {
            "check": check.value,
            "signed_proposal_updated": changed,
            "voted": step["voted"],
        }
        if step["voted"]:
            block = self._blocks[step["block_hash"]]
            vote = self._manager.create_vote(proposal, block, blobs={}, now=now, key=self._key)
            result["vote"] = _VOTE.to_json(vote)
        return result

    def _validated_certificate(self, step: dict[str, Any]) -> dict[str, Any]:
        certificate = codec_of(ValidatedBlockCertificate).from_json(step["certificate"])
        try:
            check = self._manager.check_validated_block(certificate)
        except ProtocolError as error:
            return {"check": "error", "result": "error", "error": error.code}
        if check is Check.ACCEPT:
            self._manager.create_final_vote(
                certificate, blobs={}, now=Timestamp(step["now"]), key=self._key
            )
        return {"check": check.value}

    def _timeout_certificate(self, step: dict[str, Any]) -> dict[str, Any]:
        certificate = codec_of(TimeoutCertificate).from_json(step["certificate"])
        self._manager.handle_timeout_certificate(certificate, Timestamp(step["now"]))
        return {}

    def _timeout_request(self, step: dict[str, Any]) -> dict[str, Any]:
        try:
            changed = self._manager.create_timeout_vote(
                self._chain_id,
                self._epoch,
                round=_ROUND.from_json(step["round"]),
                now=Timestamp(step["now"]),
                key=self._key,
            )
        except ProtocolError as error:
            return {"result": "error", "error": error.code}
        return {"result": "ok", "changed": changed}

    def _verify_owners(self, step: dict[str, Any]) -> dict[str, Any]:
        round = _ROUND.from_json(step["round"])
        allowed = [
            [text, self._rules.may_propose(AccountOwner.parse(text), round)]
            for text, _ in step["allowed"]
        ]
        return {"allowed": allowed}

    def _state(self) -> dict[str, Any]:
        manager, info = self._manager, self._manager.info()
        return {
            "current_round": _ROUND.to_json(info.current_round),
            "round_timeout": info.round_timeout,
            "leader": None if info.leader is None else str(info.leader),
            "pending": _VOTE.to_json(info.pending),
            "timeout_vote": _VOTE.to_json(info.timeout_vote),
            "fallback_vote": _VOTE.to_json(info.fallback_vote),
            "timeout_round": _round_of(manager.timeout),
            "proposed_round": _round_of(manager.proposed and manager.proposed.content),
            "signed_proposal_round": _round_of(
                manager.signed_proposal and manager.signed_proposal.content
            ),
            "locking_round": _round_of(manager.locking_block),
            "confirmed_vote": _vote_of(manager.confirmed_vote),
            "validated_vote": _vote_of(manager.validated_vote),
        }


_RESULTS = (
    "stopped_at",
    "check",
    "result",
    "error",
    "signed_proposal_updated",
    "voted",
    "vote",
    "changed",
    "allowed",
)
"""What a step may report besides the state; ``message`` is prose and not compared."""


def _round_of(holder: Any) -> Any:
    return None if holder is None else _ROUND.to_json(holder.round)


def _vote_of(vote: BlockVote | None) -> Any:
    if vote is None:
        return None
    return {"hash": str(vote.value.hash), "round": _ROUND.to_json(vote.round)}


def run_consensus_entry(entry: dict[str, Any]) -> list[str]:
    """Check a ``leaders``, ``ownership_functions`` or ``thresholds`` entry; the differences."""
    checks: dict[str, Callable[[dict[str, Any]], list[str]]] = {
        "leaders": _check_leaders,
        "ownership_functions": _check_ownership,
        "thresholds": _check_thresholds,
    }
    check = checks.get(entry["type"])
    return [f"unknown entry type {entry['type']!r}"] if check is None else check(entry)


def _difference(what: str, found: object, expected: object) -> list[str]:
    return [] if found == expected else [f"{what} is {found!r}, expected {expected!r}"]


def _check_leaders(entry: dict[str, Any]) -> list[str]:
    differences = []
    for owners, column in (
        ("owners_and_weights", "single_leader"),
        ("fallback_owners_and_weights", "validator"),
    ):
        distribution = LeaderDistribution.of([weight for _, weight in entry[owners]])
        for case in entry["cases"]:
            seed = case["seed"]
            found = [
                None if distribution is None else distribution.leader(number, seed)
                for number in case["rounds"]
            ]
            differences += _difference(f"{column} at seed {seed}", found, case[column])
    return differences


def _check_ownership(entry: dict[str, Any]) -> list[str]:
    ownership = codec_of(ChainOwnership).from_json(entry["ownership"])
    differences = _difference("is_active", ownership.is_active(), entry["is_active"])
    first = _ROUND.to_json(ownership_rules.first_round(ownership))
    differences += _difference("first_round", first, entry["first_round"])
    for case in entry["rounds"]:
        round = _ROUND.from_json(case["round"])
        successor = ownership_rules.next_round(ownership, round)
        found = None if successor is None else _ROUND.to_json(successor)
        differences += _difference(f"round after {round!r}", found, case["next"])
        duration = ownership_rules.round_duration(ownership, round)
        differences += _difference(f"duration of {round!r}", duration, case["timeout"])
    for case in entry["owners"]:
        differences += _check_owner(ownership, case)
    return differences


def _check_owner(ownership: ChainOwnership, case: dict[str, Any]) -> list[str]:
    owner = AccountOwner.parse(case["owner"])
    found = {
        "owner": case["owner"],
        "verify_owner": ownership.is_owner(owner),
        "can_propose_in_multi_leader_round": ownership_rules.may_propose_in_multi_leader_round(
            ownership, owner
        ),
        "is_super_owner_no_regular_owners": (
            ownership_rules.is_super_owner_without_regular_owners(ownership, owner)
        ),
    }
    return _difference(f"predicates of {owner}", found, case)


def _check_thresholds(entry: dict[str, Any]) -> list[str]:
    account_key = AccountPublicKey.of(Ed25519PublicKey(bytes(Ed25519PublicKey.SIZE)))
    validators = {
        Secp256k1PublicKey(number.to_bytes(33, "big")): ValidatorState("", votes, account_key)
        for number, votes in enumerate(entry["votes"])
    }
    committee = Committee(validators)
    return [
        difference
        for name in ("total_votes", "quorum_threshold", "validity_threshold")
        for difference in _difference(name, getattr(committee, name), entry[name])
    ]
