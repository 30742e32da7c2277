"""Which incoming messages a chain takes in (spec 07 §11). Pure.

The names of the parameters are the protocol's tools' names; two of them drop where their name says
reject, and so do we.
"""

from enum import Enum

from msgspec import Struct, field

from catenula.base.identifiers import ApplicationId, ChainId, GenericApplicationId
from catenula.protocol import IncomingBundle, MessageAction, MessageBundle, UserMessage


class BlanketPolicy(Enum):
    """What happens to bundles that no other rule decides."""

    ACCEPT = "Accept"
    REJECT = "Reject"
    IGNORE = "Ignore"


class MessagePolicy(Struct, frozen=True):
    """The rules; a None set means that the rule is not given."""

    blanket: BlanketPolicy = BlanketPolicy.ACCEPT
    restrict_chain_ids_to: frozenset[ChainId] | None = None
    ignore_chain_ids: frozenset[ChainId] = field(default_factory=frozenset)
    reject_without_application_ids: frozenset[GenericApplicationId] | None = None
    reject_with_other_application_ids: frozenset[GenericApplicationId] | None = None
    never_reject_application_ids: frozenset[ApplicationId] = field(default_factory=frozenset)
    process_events_from_application_ids: frozenset[GenericApplicationId] | None = None

    @property
    def ignores_messages(self) -> bool:
        """Whether no bundle is ever taken in."""
        return self.blanket is BlanketPolicy.IGNORE

    def apply(self, bundle: IncomingBundle) -> IncomingBundle | None:
        """The bundle with its action, or None when it stays in the inbox; first match wins."""
        if self.ignores_messages or not self._allows_origin(bundle.origin):
            return None
        applications = _applications(bundle.bundle)
        if applications and applications <= self._never_reject():
            return bundle
        required = self.reject_without_application_ids
        if required is not None and not applications & required:
            return None
        permitted = self.reject_with_other_application_ids
        if permitted is not None and not applications <= permitted:
            return None
        if self.blanket is not BlanketPolicy.REJECT or bundle.bundle.is_protected:
            return bundle
        if bundle.bundle.is_skippable:
            return None
        return bundle.replace(action=MessageAction.REJECT)

    def allows_messages_from(self, origin: ChainId) -> bool:
        """Whether any bundle of an origin may be taken in."""
        return not self.ignores_messages and self._allows_origin(origin)

    def follows(self, publisher: ChainId, application_id: GenericApplicationId) -> bool:
        """Whether events of this stream's application are processed; the admin chain always is."""
        restricted = self.restrict_chain_ids_to
        if restricted is not None and publisher not in restricted:
            return False
        wanted = self.process_events_from_application_ids
        return wanted is None or application_id in wanted

    def _allows_origin(self, origin: ChainId) -> bool:
        restricted = self.restrict_chain_ids_to
        if restricted is not None and origin not in restricted:
            return False
        return origin not in self.ignore_chain_ids

    def _never_reject(self) -> frozenset[GenericApplicationId]:
        ids = self.never_reject_application_ids
        return frozenset(GenericApplicationId.user(item) for item in ids)


def _applications(bundle: MessageBundle) -> frozenset[GenericApplicationId]:
    return frozenset(
        GenericApplicationId.user(posted.message.application_id)
        if type(posted.message) is UserMessage
        else GenericApplicationId.SYSTEM
        for posted in bundle.messages
    )
