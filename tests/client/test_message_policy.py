"""Message policies (spec 07 §11)."""

import pytest

from catenula.base.identifiers import ApplicationId, ChainId, CryptoHash, GenericApplicationId
from catenula.base.integers import U32, Amount, BlockHeight, Timestamp
from catenula.client import BlanketPolicy, MessagePolicy
from catenula.protocol import (
    AccountOwner,
    Credit,
    IncomingBundle,
    Message,
    MessageAction,
    MessageBundle,
    MessageKind,
    PostedMessage,
    UserMessage,
)

ORIGIN = ChainId(b"\x01" * 32)
OTHER = ChainId(b"\x02" * 32)
GAME = ApplicationId(b"\x0a" * 32)
SHOP = ApplicationId(b"\x0b" * 32)
SYSTEM = GenericApplicationId.SYSTEM
CREDIT = Credit(AccountOwner.CHAIN, Amount(1), AccountOwner.CHAIN)


def user(application_id: ApplicationId) -> UserMessage:
    return UserMessage(application_id, b"")


def bundle(*messages: Message, kind: MessageKind = MessageKind.TRACKED) -> IncomingBundle:
    posted = tuple(
        PostedMessage(None, Amount(0), None, kind, U32(index), message)
        for index, message in enumerate(messages)
    )
    content = MessageBundle(BlockHeight(0), Timestamp(0), CryptoHash(bytes(32)), U32(0), posted)
    return IncomingBundle(ORIGIN, content, MessageAction.ACCEPT)


def ids(*applications: ApplicationId) -> frozenset[GenericApplicationId]:
    return frozenset(GenericApplicationId.user(item) for item in applications)


REJECT = BlanketPolicy.REJECT


@pytest.mark.parametrize(
    ("policy", "incoming", "expected"),
    [
        (MessagePolicy(), bundle(CREDIT), "Accept"),
        (MessagePolicy(blanket=BlanketPolicy.IGNORE), bundle(CREDIT), None),
        (MessagePolicy(restrict_chain_ids_to=frozenset({OTHER})), bundle(CREDIT), None),
        (MessagePolicy(restrict_chain_ids_to=frozenset({ORIGIN})), bundle(CREDIT), "Accept"),
        (MessagePolicy(ignore_chain_ids=frozenset({ORIGIN})), bundle(CREDIT), None),
        (MessagePolicy(blanket=REJECT), bundle(CREDIT), "Reject"),
        (MessagePolicy(blanket=REJECT), bundle(CREDIT, kind=MessageKind.PROTECTED), "Accept"),
        (MessagePolicy(blanket=REJECT), bundle(CREDIT, kind=MessageKind.SIMPLE), None),
        (MessagePolicy(blanket=REJECT), bundle(CREDIT, kind=MessageKind.BOUNCING), None),
        (
            MessagePolicy(blanket=REJECT, never_reject_application_ids=frozenset({GAME})),
            bundle(user(GAME)),
            "Accept",
        ),
        (
            MessagePolicy(blanket=REJECT, never_reject_application_ids=frozenset({GAME})),
            bundle(user(GAME), user(SHOP)),
            "Reject",
        ),
        (MessagePolicy(reject_without_application_ids=ids(GAME)), bundle(CREDIT), None),
        (
            MessagePolicy(reject_without_application_ids=ids(GAME)),
            bundle(CREDIT, user(GAME)),
            "Accept",
        ),
        (
            MessagePolicy(reject_with_other_application_ids=ids(GAME)),
            bundle(CREDIT, user(GAME)),
            None,
        ),
        (
            MessagePolicy(reject_with_other_application_ids=ids(GAME)),
            bundle(user(GAME)),
            "Accept",
        ),
    ],
)
def test_the_first_rule_that_matches_decides(
    policy: MessagePolicy, incoming: IncomingBundle, expected: str | None
) -> None:
    judged = policy.apply(incoming)
    assert (None if judged is None else str(judged.action)) == expected


def test_streams_are_followed_by_publisher_and_application() -> None:
    (game,) = ids(GAME)
    assert MessagePolicy().follows(ORIGIN, game)
    assert not MessagePolicy(restrict_chain_ids_to=frozenset({OTHER})).follows(ORIGIN, game)
    chosen = MessagePolicy(process_events_from_application_ids=ids(SHOP))
    assert not chosen.follows(ORIGIN, game)
    assert not chosen.follows(ORIGIN, SYSTEM)
