"""`TinyNetwork`: validators and a client node without an event loop, and hands to drive them.

Chains are built by drafting, staging, signing and certifying blocks. `TinyNetwork.agree` asks the
validators for their votes as a client does; `TinyNetwork.execute` takes the votes of a quorum for
granted, for tests that start where a block is final. The first chain is the admin chain; owner
``n`` (`TinyNetwork.owners`) is the owner of chain ``n`` unless the test says otherwise.
"""

from collections.abc import Sequence

from catenula.base.crypto import AccountSecretKey, ValidatorSecretKey
from catenula.base.identifiers import AccountOwner, ChainId
from catenula.base.integers import U32, U64, Amount, BlockHeight, Epoch
from catenula.execution.staging import StagingMode, StagingPolicy
from catenula.protocol import (
    Account,
    ApplicationPermissions,
    BlobContent,
    Block,
    BlockProposal,
    CertificateKind,
    ChainDescription,
    ChainInfo,
    ChainOwnership,
    Committee,
    ConfirmedBlockCertificate,
    ExecuteOperation,
    GenesisConfig,
    IncomingBundle,
    InitialChainConfig,
    LiteValue,
    MessageAction,
    Operation,
    ProposalContent,
    ProposedBlock,
    ReceiveMessages,
    ResourceControlPolicy,
    Root,
    Round,
    SignatureAggregator,
    Timeout,
    TimeoutCertificate,
    Transfer,
    ValidatedBlockCertificate,
    ValidatorState,
    sign_proposal,
    sign_vote,
)
from catenula.protocol.certificates import Signatures, sort_signatures
from catenula.testing.clock import START, ManualClock
from catenula.testing.keys import account_key, validator_key
from catenula.testing.tiny_node import TinyNode
from catenula.worker import WorkerConfig

INITIAL_BALANCE = 1_000_000
"""What every chain of a tiny network starts with, in attotokens."""

FIRST_ROUND = Round.multi_leader(0)
HISTORICAL_FLAG = "FLAG_HISTORICAL_HASH.linera.network"
NO_FEES = ResourceControlPolicy(http_request_allow_list=(HISTORICAL_FLAG,))
STRICT = StagingPolicy(mode=StagingMode.ABORT)

Item = Operation | IncomingBundle


def committee_of(
    secrets: Sequence[ValidatorSecretKey], policy: ResourceControlPolicy = NO_FEES
) -> Committee:
    """Validators with one vote each; validator ``n`` proposes as owner ``1000 + n``."""
    states = {
        secret.public_key(): ValidatorState(
            f"grpc:validator-{number}:1", U64(1), account_key(1000 + number).public_key()
        )
        for number, secret in enumerate(secrets)
    }
    ordered = sorted(states, key=lambda key: key.order_key())
    return Committee({key: states[key] for key in ordered}, policy)


def transfer(recipient: ChainId, amount: int = 1) -> Transfer:
    """A transfer from the chain's own balance to another chain's."""
    return Transfer(AccountOwner.CHAIN, Account.chain(recipient), Amount(amount))


class TinyNetwork:
    """``validators`` nodes with keys, and `client`, a node without one that follows all chains."""

    def __init__(
        self,
        *,
        validators: int = 1,
        ownerships: Sequence[ChainOwnership] | None = None,
        policy: ResourceControlPolicy = NO_FEES,
        config: WorkerConfig | None = None,
    ) -> None:
        self.clock = ManualClock()
        self.secrets = [validator_key(number) for number in range(validators)]
        self.committee = committee_of(self.secrets, policy)
        if ownerships is None:
            ownerships = [ChainOwnership.single(account_key(n).owner()) for n in range(3)]
        self.owners = [account_key(number) for number in range(len(ownerships))]
        chains = tuple(_root_chain(number, shape) for number, shape in enumerate(ownerships))
        self.genesis = GenesisConfig(self.committee, START, chains, "tiny")
        self.chain_ids = tuple(chain.chain_id for chain in chains)
        self.nodes = [
            TinyNode(self.genesis, clock=self.clock, secret=secret, config=config)
            for secret in self.secrets
        ]
        self.client = TinyNode(
            self.genesis, clock=self.clock, config=WorkerConfig(allow_deprecated_epochs=True)
        )

    @property
    def node(self) -> TinyNode:
        """The first validator."""
        return self.nodes[0]

    # Blocks

    def draft(
        self,
        chain_id: ChainId,
        *items: Item,
        signer: AccountSecretKey | None = None,
        anonymous: bool = False,
    ) -> ProposedBlock:
        """A block on top of the client's tip of a chain, as old as it may be.

        It speaks for the chain's owner unless another ``signer`` is given or it is ``anonymous``.
        """
        info = self.client.info(chain_id)
        transactions = tuple(
            ReceiveMessages(item) if isinstance(item, IncomingBundle) else ExecuteOperation(item)
            for item in items
        )
        bundle_times = [item.bundle.timestamp for item in items if isinstance(item, IncomingBundle)]
        return ProposedBlock(
            chain_id,
            info.epoch,
            transactions,
            info.next_block_height,
            max(self.clock.now(), info.timestamp, *bundle_times),
            None if anonymous else (signer or self.owner_of(chain_id)).owner(),
            info.block_hash,
        )

    def stage(
        self,
        draft: ProposedBlock,
        round_: Round = FIRST_ROUND,
        *,
        blobs: Sequence[BlobContent] = (),
    ) -> Block:
        """The block of a draft, executed by the client; raises what execution raises."""
        published = {blob.id: blob for blob in blobs}
        return self.client.run(
            lambda worker, now: worker.stage_block(
                draft, now=now, round_=round_, published_blobs=published, policy=STRICT
            )
        ).block

    def sign(
        self,
        draft: ProposedBlock,
        round_: Round = FIRST_ROUND,
        *,
        key: AccountSecretKey | None = None,
    ) -> BlockProposal:
        """A fresh proposal, signed by the chain's owner unless another ``key`` is given."""
        return sign_proposal(ProposalContent(draft, round_), key or self.owner_of(draft.chain_id))

    def owner_of(self, chain_id: ChainId) -> AccountSecretKey:
        """The key of the owner that belongs to a chain's position; the first one's elsewhere."""
        chains = self.chain_ids
        return self.owners[chains.index(chain_id) if chain_id in chains else 0]

    # Certificates

    def signatures(self, value: LiteValue, round_: Round) -> Signatures:
        """The signatures of all validators, without asking them."""
        return sort_signatures(
            tuple(
                (secret.public_key(), sign_vote(value, round_, secret).signature)
                for secret in self.secrets
            )
        )

    def validated(self, block: Block, round_: Round = FIRST_ROUND) -> ValidatedBlockCertificate:
        """A certificate that a block was validated."""
        value = LiteValue(block.hash, block.chain_id, CertificateKind.VALIDATED)
        return ValidatedBlockCertificate(block, round_, self.signatures(value, round_))

    def confirmed(self, block: Block, round_: Round = FIRST_ROUND) -> ConfirmedBlockCertificate:
        """A certificate that a block is final."""
        value = LiteValue(block.hash, block.chain_id, CertificateKind.CONFIRMED)
        return ConfirmedBlockCertificate(block, round_, self.signatures(value, round_))

    def timed_out(
        self, chain_id: ChainId, height: int, round_: Round, *, epoch: int = 0
    ) -> TimeoutCertificate:
        """A certificate that a round has timed out."""
        timeout = Timeout(chain_id, BlockHeight(height), Epoch(epoch))
        value = LiteValue(timeout.hash, chain_id, CertificateKind.TIMEOUT)
        return TimeoutCertificate(timeout, round_, self.signatures(value, round_))

    # Whole flows

    def execute(
        self, chain_id: ChainId, *items: Item, blobs: Sequence[BlobContent] = ()
    ) -> ConfirmedBlockCertificate:
        """Make a block final and let the client execute it; the validators do not know of it."""
        block = self.stage(self.draft(chain_id, *items), blobs=blobs)
        certificate = self.confirmed(block)
        if blobs:
            self.client.store_blobs(*blobs)
        self.client.confirm(certificate)
        return certificate

    def agree(
        self, chain_id: ChainId, *items: Item, round_: Round = FIRST_ROUND
    ) -> ConfirmedBlockCertificate:
        """Take a block through both phases with the validators' real votes."""
        draft = self.draft(chain_id, *items)
        block = self.stage(draft, round_)
        proposal = self.sign(draft, round_)
        answers = [node.propose(proposal) for node in self.nodes]
        signatures = self.collect(block, round_, kind=CertificateKind.VALIDATED, answers=answers)
        validated = ValidatedBlockCertificate(block, round_, signatures)
        answers = [node.lock(validated) for node in self.nodes]
        signatures = self.collect(block, round_, kind=CertificateKind.CONFIRMED, answers=answers)
        certificate = ConfirmedBlockCertificate(block, round_, signatures)
        for node in (self.client, *self.nodes):
            node.confirm(certificate)
        return certificate

    def collect(
        self,
        block: Block,
        round_: Round,
        *,
        kind: CertificateKind,
        answers: Sequence[ChainInfo],
    ) -> Signatures:
        """The votes in the validators' answers; each is verified and must be for this value."""
        value = LiteValue(block.hash, block.chain_id, kind)
        aggregator = SignatureAggregator(value, round_, self.committee)
        for secret, answer in zip(self.secrets, answers, strict=True):
            vote = answer.manager.pending
            if vote is not None and vote.value == value and vote.round == round_:
                aggregator.append(secret.public_key(), vote.signature)
        return aggregator.signatures()

    def incoming(
        self, chain_id: ChainId, action: MessageAction = MessageAction.ACCEPT
    ) -> tuple[IncomingBundle, ...]:
        """Every bundle that waits in the client's inboxes of a chain."""
        return self.client.chain(chain_id).inboxes.pending(action)

    def deliver(self) -> None:
        """Deliver the messages between the chains of every node."""
        for node in (self.client, *self.nodes):
            node.deliver()


def _root_chain(number: int, ownership: ChainOwnership) -> ChainDescription:
    config = InitialChainConfig(
        ownership,
        Epoch(0),
        Epoch(0),
        Epoch(0),
        Amount(INITIAL_BALANCE),
        ApplicationPermissions(),
    )
    return ChainDescription(Root(U32(number)), START, config)
