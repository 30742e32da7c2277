"""A node for tests of the chain layer: several chains in one store, driven by hand.

It plays the worker's part without its checks of requests: every transition is followed by a save
and a commit. The storage counts what is read.
"""

from collections.abc import Sequence

from catenula.base.crypto import (
    AccountPublicKey,
    AccountSecretKey,
    Secp256k1PublicKey,
    SignatureScheme,
    ValidatorSecretKey,
)
from catenula.base.identifiers import AccountOwner, ChainId, CryptoHash
from catenula.base.integers import U32, U64, Amount, Epoch, Timestamp
from catenula.chain.block_execution import (
    activate,
    apply_confirmed_block,
    execute_proposed_block,
    preprocess_block,
)
from catenula.chain.chain_state import ChainState
from catenula.chain.mailboxes import (
    confirm_delivery,
    cross_chain_requests,
    receive_update,
    remove_bundles_from_inboxes,
)
from catenula.chain.outbox import TrackedTargets
from catenula.chain.proposal_validity import check_oracles
from catenula.execution.applications import NativeApplications
from catenula.protocol import (
    Account,
    ApplicationPermissions,
    BlobId,
    Block,
    BlockProposal,
    CertificateKind,
    ChainDescription,
    ChainOwnership,
    Committee,
    ConfirmUpdatedRecipient,
    EventId,
    ExecuteOperation,
    IncomingBundle,
    InitialChainConfig,
    LiteValue,
    NetworkDescription,
    Operation,
    ProposalContent,
    ProposedBlock,
    ReceiveMessages,
    ResourceControlPolicy,
    Root,
    Round,
    Transfer,
    UpdateRecipient,
    ValidatedBlockCertificate,
    ValidatorState,
    sign_proposal,
    sign_vote,
)
from catenula.storage.batch import Batch
from catenula.storage.engine import Partition
from catenula.storage.memory import MemoryStore
from catenula.testing.execution_world import FixedOracles
from catenula.views.base import Context

START = Timestamp(1_000_000)
HISTORICAL = ResourceControlPolicy(http_request_allow_list=("FLAG_HISTORICAL_HASH.linera.network",))


def numbered(number: int) -> "Randomness":
    """A source of key material that depends on ``number`` only."""
    return Randomness(number)


class Randomness:
    """Stands in for the system's randomness."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __call__(self, count: int) -> bytes:
        return (self._number + 1).to_bytes(count, "big")


def account_key(number: int) -> AccountSecretKey:
    """A key of an owner."""
    return AccountSecretKey.generate(SignatureScheme.ED25519, numbered(number))


def validator_key(number: int) -> ValidatorSecretKey:
    """A key of a validator."""
    return ValidatorSecretKey.generate(numbered(1000 + number))


def committee_of(
    keys: Sequence[ValidatorSecretKey], policy: ResourceControlPolicy = HISTORICAL
) -> Committee:
    """A committee of validators with one vote each."""
    validators: dict[Secp256k1PublicKey, ValidatorState] = {
        key.public_key(): ValidatorState("", U64(1), AccountPublicKey.of(key.public_key()))
        for key in sorted(keys, key=lambda key: key.public_key().order_key())
    }
    return Committee(validators, policy)


class CountingPartition(Partition):
    """A partition that counts what is read through it."""

    def __init__(self, inner: Partition) -> None:
        self.inner = inner
        self.reads = 0

    def get(self, key: bytes) -> bytes | None:
        self.reads += 1
        return self.inner.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        self.reads += len(keys)
        return self.inner.get_many(keys)

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        self.reads += 1
        return self.inner.scan(prefix)

    def scan_keys(self, prefix: bytes) -> list[bytes]:
        self.reads += 1
        return self.inner.scan_keys(prefix)


FIRST_ROUND = Round.multi_leader(0)


class Node:
    """Chains, shared data, and one validator's key (None: a client node)."""

    def __init__(
        self,
        key: ValidatorSecretKey | None = None,
        *,
        committee: Committee | None = None,
        tracked: TrackedTargets = None,
    ) -> None:
        self.key = key
        self.now = START
        self.store = MemoryStore("memory:")
        self.oracles = FixedOracles()
        self.applications = NativeApplications()
        self.tracked = tracked
        self.blobs: dict[BlobId, bytes] = {}
        self.events: dict[EventId, bytes] = {}
        self.blocks: dict[CryptoHash, Block] = {}
        self.committees = {Epoch(0): committee or committee_of([validator_key(0)])}
        self.chains: dict[ChainId, ChainState] = {}
        self.partitions: dict[ChainId, CountingPartition] = {}
        zero = CryptoHash(bytes(32))
        self.network = NetworkDescription("test", zero, START, zero, ChainId(bytes(32)))

    # The environment of execution

    def blob(self, blob_id: BlobId) -> bytes | None:
        return self.blobs.get(blob_id)

    def has_blob(self, blob_id: BlobId) -> bool:
        return blob_id in self.blobs

    def event(self, event_id: EventId) -> bytes | None:
        return self.events.get(event_id)

    def has_event(self, event_id: EventId) -> bool:
        return event_id in self.events

    def committee(self, epoch: Epoch) -> Committee | None:
        return self.committees.get(epoch)

    def network_description(self) -> NetworkDescription:
        return self.network

    # Chains

    def chain(self, chain_id: ChainId) -> ChainState:
        """The chain, loaded if it is not."""
        if chain_id not in self.chains:
            partition = CountingPartition(self.store.partition(chain_id))
            self.partitions[chain_id] = partition
            self.chains[chain_id] = ChainState(
                chain_id,
                Context(partition),
                environment=self,
                read_block=self.blocks.get,
                tracked=self.tracked,
            )
        return self.chains[chain_id]

    def reload(self) -> None:
        """Drop every chain from memory."""
        self.chains.clear()

    def save(self, chain: ChainState) -> Batch:
        """Save and commit a chain."""
        batch = Batch()
        chain.save(batch)
        self.store.commit([(chain.chain_id, batch)])
        return batch

    def stored(self, chain_id: ChainId) -> list[tuple[bytes, bytes]]:
        """Everything stored for a chain."""
        return self.store.partition(chain_id).scan(b"")

    def describe(self, description: ChainDescription) -> ChainId:
        """Make a chain's description known."""
        self.blobs[description.blob.id] = description.blob.bytes
        return description.chain_id

    def active(self, chain_id: ChainId) -> ChainState:
        """The chain, activated."""
        chain = self.chain(chain_id)
        if activate(chain, self.now):
            self.save(chain)
        return chain

    # Blocks

    def propose(
        self,
        chain_id: ChainId,
        *items: Operation | IncomingBundle,
    ) -> ProposedBlock:
        """A block on top of the tip, authenticated by the chain's first owner if it has one."""
        chain = self.active(chain_id)
        owners = chain.execution.system.ownership.get().all_owners()
        tip = chain.tip
        return ProposedBlock(
            chain_id,
            chain.epoch,
            tuple(
                ReceiveMessages(item)
                if isinstance(item, IncomingBundle)
                else ExecuteOperation(item)
                for item in items
            ),
            tip.next_block_height,
            max(self.now, chain.execution.system.timestamp.get()),
            owners[0] if owners else None,
            tip.block_hash,
        )

    def vote(self, proposal: BlockProposal) -> Block:
        """Check and execute a fresh proposal and vote for it."""
        proposed, round = proposal.content.block, proposal.content.round
        chain = self.active(proposed.chain_id)
        chain.tip.check_chaining(proposed)
        chain.current_committee()
        chain.manager.check_proposed_block(proposal)
        if chain.manager.update_signed_proposal(proposal, self.now):
            self.save(chain)
        try:
            remove_bundles_from_inboxes(chain, proposed, must_be_present=True)
            block = execute_proposed_block(
                chain, proposed, round=round, published_blobs={}, oracles=self.oracles
            ).block
            check_oracles(block, round)
            chain.tip.after(block)
        finally:
            chain.rollback()
        chain.manager.create_vote(proposal, block, blobs={}, now=self.now, key=self.key)
        self.save(chain)
        return block

    def lock(self, certificate: ValidatedBlockCertificate) -> None:
        """Take a validated certificate."""
        chain = self.active(certificate.chain_id)
        chain.manager.check_validated_block(certificate)
        chain.manager.create_final_vote(certificate, blobs={}, now=self.now, key=self.key)
        self.save(chain)

    def confirm(self, block: Block) -> None:
        """Apply a block as if its certificate had been verified."""
        chain = self.chain(block.chain_id)
        self.blocks[block.hash] = block
        for blob in block.created_blobs.values():
            self.blobs[blob.id] = blob.bytes
        for events in block.body.events:
            for event in events:
                self.events[event.id(block.chain_id)] = event.value
        if block.header.height > chain.next_block_height:
            preprocess_block(chain, block)
        else:
            self.active(block.chain_id)
            try:
                apply_confirmed_block(
                    chain, block, published_blobs={}, oracles=self.oracles, now=self.now
                )
            except Exception:
                chain.rollback()
                raise
        self.save(chain)

    def execute(
        self,
        chain_id: ChainId,
        *items: Operation | IncomingBundle,
    ) -> Block:
        """Execute a block and apply it at once."""
        proposed = self.propose(chain_id, *items)
        chain = self.chain(chain_id)
        block = execute_proposed_block(
            chain, proposed, round=None, published_blobs={}, oracles=self.oracles
        ).block
        chain.rollback()
        self.confirm(block)
        return block

    # Messages

    def deliver(self, chain_id: ChainId) -> list[UpdateRecipient]:
        """Send and confirm everything queued on a chain; the requests that were sent."""
        requests = cross_chain_requests(self.chain(chain_id))
        for request in requests:
            confirmation = self.receive(request)
            if confirmation is not None:
                sender = self.chain(chain_id)
                confirm_delivery(sender, confirmation)
                self.save(sender)
        return requests

    def receive(self, request: UpdateRecipient) -> ConfirmUpdatedRecipient | None:
        """Let the recipient take an update."""
        recipient = self.chain(request.recipient)
        try:
            received = receive_update(recipient, request, trusts_all_epochs=False, may_revert=False)
        except Exception:
            recipient.rollback()
            raise
        self.save(recipient)
        return received.confirmation


def root_chain(
    number: int,
    *,
    owner: AccountOwner | None = None,
    balance: int = 10**18,
    ownership: ChainOwnership | None = None,
) -> ChainDescription:
    """A genesis chain."""
    config = InitialChainConfig(
        ownership or ChainOwnership.single(owner or account_key(0).owner()),
        Epoch(0),
        Epoch(0),
        Epoch(0),
        Amount(balance),
        ApplicationPermissions(),
    )
    return ChainDescription(Root(U32(number)), START, config)


def transfer(recipient: ChainId, amount: int = 1) -> Transfer:
    """A transfer from the chain's own account to another chain's."""
    return Transfer(AccountOwner.CHAIN, Account.chain(recipient), Amount(amount))


def signed(
    block: ProposedBlock, key: AccountSecretKey, round: Round = FIRST_ROUND
) -> BlockProposal:
    """A fresh proposal."""
    return sign_proposal(ProposalContent(block, round), key)


def validated(
    block: Block, round: Round, keys: Sequence[ValidatorSecretKey]
) -> ValidatedBlockCertificate:
    """A certificate that the holders of ``keys`` validated a block."""
    value = LiteValue(block.hash, block.chain_id, CertificateKind.VALIDATED)
    ordered = sorted(keys, key=lambda key: key.public_key().order_key())
    return ValidatedBlockCertificate(
        block,
        round,
        tuple((key.public_key(), sign_vote(value, round, key).signature) for key in ordered),
    )
