"""Safety of consensus over random schedules: C1-C10 of spec 05 §11.

Four validators, one of them faulty (it signs everything). Proposals, validated certificates and
timeout certificates reach any validators in any order; a certificate exists only once a quorum has
signed it. Every step is saved and, at random, followed by a restart.
"""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from catenula.base.errors import ProtocolError
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import U32, U64, BlockHeight, Epoch, TimeDelta, Timestamp
from catenula.chain.cells import CellGroup
from catenula.chain.manager import ChainManager, Check
from catenula.chain.ownership_rules import LAST_ROUND, RoundRules
from catenula.protocol import (
    Block,
    BlockBody,
    BlockHeader,
    BlockProposal,
    CertificateKind,
    ChainOwnership,
    LiteCertificate,
    LiteValue,
    LockingRegular,
    OriginalFast,
    OriginalProposal,
    OriginalRegular,
    ProposalContent,
    Round,
    Timeout,
    TimeoutCertificate,
    TimeoutConfig,
    ValidatedBlockCertificate,
    sign_proposal,
)
from catenula.storage.batch import Batch
from catenula.storage.memory import MemoryStore
from catenula.views.base import Context
from tests.chain.node import account_key, validator_key

CHAIN = ChainId(b"\x07" * 32)
HEIGHT = BlockHeight(3)
SUPER, REGULAR = account_key(0), account_key(1)
HONEST, QUORUM = 3, 3
ROUNDS = [
    Round.FAST,
    Round.multi_leader(0),
    Round.multi_leader(1),
    Round.single_leader(0),
    Round.single_leader(1),
    Round.single_leader(2),
]
OWNERSHIP = ChainOwnership(
    super_owners=(SUPER.owner(),),
    owners={REGULAR.owner(): U64(1)},
    multi_leader_rounds=U32(2),
    timeout_config=TimeoutConfig(
        fast_round_duration=TimeDelta(5),
        base_timeout=TimeDelta(5),
        timeout_increment=TimeDelta(1),
    ),
)
BLOCKS = [
    Block(
        BlockHeader(CHAIN, Epoch(0), HEIGHT, Timestamp(number), CryptoHash(bytes(32)), None, None),
        BlockBody((), (), {}, {}, (), (), (), ()),
    )
    for number in range(3)
]

Vote = tuple[CertificateKind, Round, CryptoHash]


@dataclass
class Validator:
    """An honest validator: its manager, its store, and every vote it ever cast."""

    number: int
    store: MemoryStore = field(default_factory=lambda: MemoryStore("memory:"))
    votes: list[Vote] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.key = validator_key(self.number)
        self.now = Timestamp(0)
        self.rules = RoundRules(OWNERSHIP, HEIGHT, None)
        self.load()
        self.manager.reset(self.rules, self.now)
        self.save()

    def load(self) -> None:
        partition = self.store.partition(b"chain")
        self.cells = CellGroup(Context(partition, b"\x00"))
        self.manager = ChainManager(self.cells, Context(partition, b"\x01"), self.rules)

    def save(self) -> None:
        batch = Batch()
        self.manager.save(batch)
        self.cells.save(batch)
        self.store.commit([(b"chain", batch)])

    def propose(self, proposal: BlockProposal, block: Block) -> None:
        """The consensus part of handling a proposal."""
        try:
            proposal.check_invariants()
            if not self.rules.may_propose(proposal.owner, proposal.content.round):
                return
            check = self.manager.check_proposed_block(proposal)
        except ProtocolError as error:
            if error.code == "HasIncompatibleConfirmedVote":
                self.manager.update_signed_proposal(proposal, self.now)
            return
        if check is Check.ACCEPT:
            self.manager.update_signed_proposal(proposal, self.now)
            vote = self.manager.create_vote(proposal, block, blobs={}, now=self.now, key=self.key)
            assert vote is not None
            self.votes.append((vote.value.kind, vote.round, vote.value.value_hash))

    def lock(self, certificate: ValidatedBlockCertificate) -> None:
        """The consensus part of handling a validated certificate."""
        try:
            check = self.manager.check_validated_block(certificate)
        except ProtocolError:
            return
        if check is Check.ACCEPT:
            vote = self.manager.create_final_vote(certificate, blobs={}, now=self.now, key=self.key)
            if vote is not None:
                locking = self.manager.locking_block
                assert isinstance(locking, LockingRegular)
                assert locking.certificate == certificate, "C4"
                assert self.manager.current_round == vote.round, "C4"
                self.votes.append((vote.value.kind, vote.round, vote.value.value_hash))

    def time_out(self, round: Round) -> None:
        """Ask for a timeout vote once every deadline has passed."""
        self.now = Timestamp(self.now + 1000)
        try:
            if self.manager.create_timeout_vote(
                CHAIN, Epoch(0), round=round, now=self.now, key=self.key
            ):
                timeout = Timeout(CHAIN, HEIGHT, Epoch(0))
                self.votes.append((CertificateKind.TIMEOUT, round, timeout.hash))
        except ProtocolError:
            return


class Network:
    """The validators, and what a quorum has signed."""

    def __init__(self) -> None:
        self.validators = [Validator(number) for number in range(HONEST)]

    def has_quorum(self, vote: Vote) -> bool:
        """Whether enough validators have cast this vote, the faulty one included."""
        return 1 + sum(vote in validator.votes for validator in self.validators) >= QUORUM

    def certificates(self, kind: CertificateKind) -> set[tuple[Round, CryptoHash]]:
        """Everything of one kind that a quorum has signed."""
        cast = {vote for validator in self.validators for vote in validator.votes}
        return {vote[1:] for vote in cast if vote[0] is kind and self.has_quorum(vote)}

    def proposal(self, number: int, round: Round, form: str, locked: Round) -> BlockProposal:
        """A proposal of a block, fresh or a retry; its certificate may not exist (then None)."""
        block = BLOCKS[number]
        original: OriginalProposal | None = None
        outcome = None
        if form == "regular":
            value = LiteValue(block.hash, CHAIN, CertificateKind.VALIDATED)
            original = OriginalRegular(LiteCertificate(value, locked, ()))
            outcome = block.outcome
        elif form == "fast":
            fast = ProposalContent(block.proposed, Round.FAST)
            original = OriginalFast(SUPER.sign(fast.hash))
        content = ProposalContent(block.proposed, round, outcome)
        signer = SUPER if round.is_fast or number == 0 else REGULAR
        return sign_proposal(content, signer, original)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["fresh", "fast", "regular", "certificate", "timeout", "restart"]),
        st.integers(0, len(BLOCKS) - 1),
        st.sampled_from(ROUNDS),
        st.sampled_from(ROUNDS),
        st.sets(st.integers(0, HONEST - 1), min_size=1),
    ),
    min_size=5,
    max_size=40,
)


@settings(max_examples=max(300, settings().max_examples))
@given(STEPS)
def test_consensus_is_safe(
    steps: list[tuple[str, int, Round, Round, set[int]]],
) -> None:
    network = Network()
    for form, number, round, locked, receivers in steps:
        for index in sorted(receivers):
            validator = network.validators[index]
            before = picture(validator)
            take_step(network, validator, form, (number, round, locked))
            validator.save()
            check_validator(network, validator, before)
            if form == "restart":
                validator.load()
                assert picture(validator) == before, "C14"
    check_agreement(network)


def take_step(
    network: Network, validator: Validator, form: str, choice: tuple[int, Round, Round]
) -> None:
    number, round, locked = choice
    block = BLOCKS[number]
    if form in {"fresh", "fast"}:
        validator.propose(network.proposal(number, round, form, locked), block)
    elif form == "regular":
        if network.has_quorum((CertificateKind.VALIDATED, locked, block.hash)):
            validator.propose(network.proposal(number, round, form, locked), block)
    elif form == "certificate":
        if network.has_quorum((CertificateKind.VALIDATED, round, block.hash)):
            validator.lock(ValidatedBlockCertificate(block, round, ()))
    elif form == "timeout":
        validator.time_out(round)
        timeout = Timeout(CHAIN, HEIGHT, Epoch(0))
        if network.has_quorum((CertificateKind.TIMEOUT, round, timeout.hash)):
            validator.manager.handle_timeout_certificate(
                TimeoutCertificate(timeout, round, ()), validator.now
            )


Picture = tuple[Round, Round | None, Round | None, int]


def picture(validator: Validator) -> Picture:
    """Current round, lock round, round of the confirmed vote, number of votes cast."""
    manager = validator.manager
    return (
        manager.current_round,
        manager.locking_block.round if manager.locking_block else None,
        manager.confirmed_vote.round if manager.confirmed_vote else None,
        len(validator.votes),
    )


def check_validator(network: Network, validator: Validator, before: Picture) -> None:
    manager, votes = validator.manager, validator.votes
    current, locked, confirmed, cast = picture(validator)
    assert current >= before[0], "C1: the round does not fall"
    assert current >= expected_round(manager), "C1: nor stay behind"
    assert len({(kind, round) for kind, round, _ in votes}) == len(set(votes)), "C2"
    assert (CertificateKind.VALIDATED, Round.FAST) not in {vote[:2] for vote in votes}, "C3"
    for earlier, later in ((before[1], locked), (before[2], confirmed)):
        assert earlier is None or (later is not None and later >= earlier), "C5"
    assert confirmed is None or (locked is not None and locked >= confirmed), "C5"
    guard = [item.round for item in (manager.validated_vote, manager.locking_block) if item]
    for kind, round, _ in votes:
        assert kind is not CertificateKind.VALIDATED or max(guard) >= round, "C6"
    for kind, round, block_hash in votes[before[3] : cast]:
        assert round <= current, "C7"
        if kind is CertificateKind.VALIDATED:
            check_lock_switch(network, votes, (round, block_hash))


def expected_round(manager: ChainManager) -> Round:
    """The formula of spec 05 §7.1."""
    rounds = [manager.rules.first_round()]
    if manager.timeout is not None:
        rounds.append(manager.rules.next_round(manager.timeout.round) or LAST_ROUND)
    if manager.locking_block is not None:
        rounds.append(manager.locking_block.round)
    proposals = (manager.proposed, manager.signed_proposal)
    return max(rounds + [proposal.content.round for proposal in proposals if proposal])


def check_lock_switch(
    network: Network, votes: list[Vote], validated: tuple[Round, CryptoHash]
) -> None:
    """C8: who confirmed another block validates this one only on a certificate in between."""
    round, block_hash = validated
    conflicting = [
        vote[1]
        for vote in votes
        if vote[0] is CertificateKind.CONFIRMED and vote[2] != block_hash and vote[1] < round
    ]
    if conflicting:
        assert any(
            max(conflicting) <= certified < round and certified_hash == block_hash
            for certified, certified_hash in network.certificates(CertificateKind.VALIDATED)
        ), "C8"


def check_agreement(network: Network) -> None:
    """C9 and C10: certificates of one round, and all confirmed ones, name one block."""
    validated = network.certificates(CertificateKind.VALIDATED)
    assert len({round for round, _ in validated}) == len(validated), "C9"
    confirmed = network.certificates(CertificateKind.CONFIRMED)
    assert len({block_hash for _, block_hash in confirmed}) <= 1, "C9"
    for round, block_hash in confirmed:
        assert round.is_fast or (round, block_hash) in validated, "C10"
