"""Total supply is conserved over random schedules of several chains (invariants M11, M14)."""

from hypothesis import given
from hypothesis import strategies as st

from catenula.base.identifiers import ChainId
from catenula.base.integers import Amount
from catenula.execution.errors import ExecutionError
from catenula.protocol import (
    Account,
    ChainOwnership,
    Claim,
    Credit,
    MessageAction,
    MessageKind,
    OpenChain,
    OpenChainConfig,
    Operation,
    OutgoingMessage,
    ProposedBlock,
    ResourceControlPolicy,
    Transfer,
)
from catenula.testing.execution_world import ALICE, BOB, CHAIN, EVE, Chain, World, bundle

OWNERS = (CHAIN, ALICE, BOB, EVE)
PRICES = ResourceControlPolicy(operation=Amount(2), message=Amount(1), blob_published=Amount(3))

Step = tuple[str, int, int, int, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(("transfer", "claim", "open", "accept", "reject")),
        st.integers(0, 3),
        st.integers(0, 3),
        st.integers(0, 3),
        st.integers(0, 400),
    ),
    max_size=25,
)


class Model:
    """Chains that all belong to everybody, their mail under way, and the fees burnt."""

    def __init__(self, policy: ResourceControlPolicy) -> None:
        self.world = World(policy)
        owners = ChainOwnership.multiple((ALICE, BOB, EVE))
        self.chains = [self.world.open_root(owners, 1000) for _ in range(2)]
        self.mail: list[tuple[ChainId, OutgoingMessage]] = []
        self.fees = 0
        self.lost = 0

    def total(self) -> int:
        held = sum(_holdings(chain) for chain in self.chains)
        carried = sum(_carried(message) for _, message in self.mail)
        return held + carried + self.fees + self.lost

    def step(self, step: Step) -> None:
        kind, chain_index, owner, _, _ = step
        if kind in ("accept", "reject"):
            self._receive(kind, chain_index)
            return
        signer = OWNERS[owner] if OWNERS[owner] != CHAIN else ALICE
        chain = self.chains[chain_index % len(self.chains)]
        self._apply(chain, chain.propose(self._operation(step), signer=signer))

    def _operation(self, step: Step) -> Operation:
        kind, chain_index, owner, other, amount = step
        source = OWNERS[owner]
        target = self.chains[(chain_index + other) % len(self.chains)]
        recipient = Account(target.chain_id, OWNERS[other])
        if kind == "transfer":
            return Transfer(source, recipient, Amount(amount))
        if kind == "claim":
            return Claim(source, target.chain_id, recipient, Amount(amount))
        ownership = ChainOwnership.multiple((ALICE, BOB, EVE))
        return OpenChain(OpenChainConfig(ownership, Amount(amount)))

    def _receive(self, kind: str, position: int) -> None:
        if not self.mail:
            return
        origin, message = self.mail[position % len(self.mail)]
        chain = self.world.chain(message.destination)
        action = MessageAction.ACCEPT if kind == "accept" else MessageAction.REJECT
        if self._apply(chain, chain.propose(bundle(origin, message, action=action))):
            self.mail.remove((origin, message))
            if action is MessageAction.REJECT and message.kind is MessageKind.BOUNCING:
                # The protocol gives up what bounced back and was refused again (spec 02 §5).
                self.lost += _carried(message)

    def _apply(self, chain: Chain, block: ProposedBlock) -> bool:
        """Execute the block; False when it is refused, which changes nothing."""
        try:
            executed = chain.run(block)
        except ExecutionError:
            chain.state.rollback()
            return False
        self.fees += executed.resources.fees
        self.mail += [
            (chain.chain_id, message) for messages in executed.messages for message in messages
        ]
        for blobs in executed.blobs:
            self.chains += [self.world.chain(ChainId(blob.hash)) for blob in blobs]
        return True


def _holdings(chain: Chain) -> int:
    return chain.balance() + sum(amount for _, amount in chain.state.system.balances.items())


def _carried(message: OutgoingMessage) -> int:
    credit = message.message
    return message.grant + (credit.amount if isinstance(credit, Credit) else 0)


@given(steps, st.sampled_from((ResourceControlPolicy(), PRICES)))
def test_nothing_is_created_and_only_a_refused_bounce_is_lost(
    schedule: list[Step], policy: ResourceControlPolicy
) -> None:
    model = Model(policy)
    for step in schedule:
        model.step(step)
        assert model.total() == 2000
