"""Random schedules over several chains lose no token and deliver nothing twice (M2, M13, M14)."""

import random
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from catenula.base.errors import ProtocolError
from catenula.protocol import Block, ConfirmedBlockCertificate, MessageAction, UpdateRecipient
from catenula.testing.supply import CreditsUnderWay, total_balance
from catenula.testing.tiny_network import INITIAL_BALANCE, TinyNetwork, transfer
from catenula.testing.tiny_node import TinyNode

CHAINS = 3
TOTAL = CHAINS * INITIAL_BALANCE


class Send(NamedTuple):
    """A block with transfers."""

    sender: int
    amounts: tuple[tuple[int, int], ...]


class Receive(NamedTuple):
    """A block that takes in everything that waits, or sends it back."""

    chain: int
    action: MessageAction


class Mail(NamedTuple):
    """Something happens to the ``position``-th request under way."""

    what: str
    position: int


class Resend(NamedTuple):
    """A chain sends again what is not confirmed."""

    chain: int


class Crash(NamedTuple):
    """The node loses its memory, and with it all requests under way."""


Step = Send | Receive | Mail | Resend | Crash

chains = st.integers(0, CHAINS - 1)
steps = st.one_of(
    st.builds(
        Send,
        chains,
        st.lists(st.tuples(chains, st.integers(1, 1000)), min_size=1, max_size=3).map(tuple),
    ),
    st.builds(Receive, chains, st.sampled_from(MessageAction)),
    st.builds(Mail, st.sampled_from(("deliver", "deliver", "drop", "repeat")), st.integers(0, 9)),
    st.builds(Resend, chains),
    st.just(Crash()),
)


class Schedule:
    """Plays steps on one node and counts what is under way."""

    def __init__(self) -> None:
        self.network = TinyNetwork()
        self.node = self.network.client
        self.credits = CreditsUnderWay()
        self.certificates: list[ConfirmedBlockCertificate] = []
        for chain_id in self.network.chain_ids:
            self.node.info(chain_id)

    def play(self, step: Step) -> None:
        chain_ids = self.network.chain_ids
        if isinstance(step, Send):
            items = [transfer(chain_ids[target], amount) for target, amount in step.amounts]
            self._block(self.network.execute(chain_ids[step.sender], *items))
        elif isinstance(step, Receive):
            self.receive(step.chain, step.action)
        elif isinstance(step, Mail):
            self._mail(step)
        elif isinstance(step, Resend):
            self.node.resend(chain_ids[step.chain])
        else:
            self.node.crash()
            self.node.check_promises()

    def receive(self, chain: int, action: MessageAction = MessageAction.ACCEPT) -> int:
        """Take in what waits; a message that came back is not sent back again."""
        chain_id = self.network.chain_ids[chain]
        waiting = self.network.incoming(chain_id)
        items = [
            item.replace(action=action)
            if not any(message.is_skippable() for message in item.bundle.messages)
            else item
            for item in waiting
        ]
        if items:
            self._block(self.network.execute(chain_id, *items))
        return len(items)

    def _block(self, certificate: ConfirmedBlockCertificate) -> None:
        self.credits.include(certificate.block)
        self.certificates.append(certificate)

    def _mail(self, step: Mail) -> None:
        mail = self.node.mail
        if not mail:
            return
        position = step.position % len(mail)
        request = mail[position]
        if step.what != "repeat":
            del mail[position]
        if step.what != "drop":
            try:
                self.node.cross_chain(request)
            except ProtocolError as error:
                assert error.code == "InboxGapDetected", error  # noqa: PT017 # It may come too early.

    def supply(self) -> int:
        return total_balance(self.node, self.network.chain_ids) + self.credits.total

    def finish(self) -> None:
        """Deliver and take in everything."""
        for _ in range(100):
            for chain_id in self.network.chain_ids:
                self.node.resend(chain_id)
            self.node.deliver()
            if not sum(self.receive(chain) for chain in range(CHAINS)):
                return
        raise AssertionError("messages never come to rest")


@given(st.lists(steps, max_size=25))
def test_no_schedule_changes_the_supply(schedule: list[Step]) -> None:
    run = Schedule()
    for step in schedule:
        run.play(step)
        assert run.supply() == TOTAL  # M14, and M2 inside `CreditsUnderWay`.
    run.finish()
    assert run.credits.total == 0
    assert total_balance(run.node, run.network.chain_ids) == TOTAL
    for chain_id in run.network.chain_ids:
        assert run.node.chain(chain_id).outboxes.counters() == {}  # M13, M8
    run.node.check_promises()


@given(st.lists(steps, max_size=15), st.randoms(use_true_random=False))
def test_a_validator_that_hears_of_blocks_in_any_order_ends_like_the_others(
    schedule: list[Step], order: random.Random
) -> None:
    run = Schedule()
    for step in schedule:
        run.play(step)
    run.finish()
    follower = run.network.node
    for _ in range(len(run.certificates) + 1):
        shuffled = list(run.certificates)
        order.shuffle(shuffled)
        for certificate in shuffled:
            follower.confirm(certificate)
            _deliver_some(follower, order)
    follower.deliver()
    for chain_id in run.network.chain_ids:
        follower.resend(chain_id)
    follower.deliver()
    _expect_same(run.node, follower, [certificate.block for certificate in run.certificates])


def _deliver_some(node: TinyNode, order: random.Random) -> None:
    """Deliver, repeat or lose the first requests under way."""
    while node.mail and order.random() < 0.7:
        request = node.mail.pop(order.randrange(len(node.mail)))
        if order.random() < 0.2:
            continue
        for _ in range(order.randint(1, 2)):
            try:
                node.cross_chain(request)
            except ProtocolError as error:
                assert error.code == "InboxGapDetected", error  # noqa: PT017 # It may come too early.


def _expect_same(leader: TinyNode, follower: TinyNode, blocks: list[Block]) -> None:
    for chain_id in {block.chain_id for block in blocks}:
        ours, theirs = leader.chain(chain_id), follower.chain(chain_id)
        assert theirs.tip == ours.tip  # C11
        assert theirs.state_hash == ours.state_hash
        assert theirs.preprocessed_blocks() == {}  # C12
        assert theirs.outboxes.counters() == {}
        for origin in ours.inboxes.origins():
            assert theirs.inboxes.anticipated(origin) == []  # M6
            assert theirs.inboxes.state(origin).next_cursor_to_add == (
                ours.inboxes.state(origin).next_cursor_to_add
            )  # M5
    assert not any(isinstance(request, UpdateRecipient) for request in follower.mail)
