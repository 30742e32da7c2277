"""Which committees are trusted, and whether a certificate is (spec 07 §2).

Committees are those recorded on the local copy of the admin chain. Invariant kept: K1.
"""

from collections.abc import Mapping
from enum import Enum

from catenula.base.errors import ProtocolError
from catenula.base.identifiers import ChainId
from catenula.base.integers import Epoch
from catenula.client.errors import Explanation, Reason, UntrustedCertificate
from catenula.client.local_node import LocalNode
from catenula.protocol import Committee, ConfirmedBlockCertificate


class Trust(Enum):
    """What the known committees say about an epoch."""

    KNOWN = "known"
    FUTURE = "future"
    OLD = "old"


class Committees:
    """The committees on the local admin chain; before it is executed, those of its description."""

    def __init__(self, local: LocalNode, admin_chain_id: ChainId) -> None:
        self.admin_chain_id = admin_chain_id
        self._local = local

    def known(self) -> Mapping[Epoch, Committee]:
        """The trusted committees by epoch."""
        found = self._local.chain(self.admin_chain_id).execution.system.committees.get()
        return found or self._genesis()

    def _genesis(self) -> Mapping[Epoch, Committee]:
        committee = self._local.worker.committees.get(Epoch(0))
        return {} if committee is None else {Epoch(0): committee}

    def highest_epoch(self) -> Epoch:
        """The epoch of the current committee."""
        return max(self.known(), default=Epoch(0))

    def current(self) -> Committee:
        """The committee of the highest epoch."""
        known = self.known()
        return known[max(known)]

    def committee(self, epoch: Epoch) -> Committee | None:
        """The trusted committee of an epoch."""
        return self.known().get(epoch)

    def judge(self, epoch: Epoch) -> Trust:
        """Whether certificates of an epoch can be checked."""
        known = self.known()
        if epoch in known:
            return Trust.KNOWN
        return Trust.FUTURE if epoch > max(known, default=Epoch(0)) else Trust.OLD

    def has_signed(self, certificate: ConfirmedBlockCertificate) -> bool:
        """Whether a trusted committee signed a certificate, as far as is known now."""
        try:
            self.check(certificate)
        except UntrustedCertificate:
            return False
        return True

    def check(
        self, certificate: ConfirmedBlockCertificate, *, accepts_revoked: bool = False
    ) -> None:
        """Raise `UntrustedCertificate` unless a quorum of its epoch's committee signed it.

        A committee that was revoked since counts if ``accepts_revoked``, as the admin chain once
        made it known: without its blocks nobody could synchronize a chain that is older.
        What was checked here is not checked again by the local node.
        """
        block = certificate.block
        committee = self.committee(block.epoch)
        if committee is None and accepts_revoked and self.judge(block.epoch) is Trust.OLD:
            committee = self._local.worker.committees.get(block.epoch)
        if committee is None:
            raise _untrusted(certificate, self.judge(block.epoch))
        try:
            self._local.worker.verified.check(
                certificate.lite_value,
                certificate.round,
                certificate.signatures,
                committee=committee,
            )
        except ProtocolError as error:
            raise _wrongly_signed(certificate, error.message()) from error
        self._local.trust_signatures(certificate)


def _untrusted(certificate: ConfirmedBlockCertificate, trust: Trust) -> UntrustedCertificate:
    block = certificate.block
    if trust is Trust.OLD:
        what = f"The committee of epoch {block.epoch} has been revoked; its blocks are not accepted"
        advice = "the sender must first move its chain to the current epoch"
    else:
        what = f"The committee of epoch {block.epoch} is not known"
        advice = "synchronize the admin chain, then try again"
    return UntrustedCertificate(
        Explanation(what, chain_id=block.chain_id, height=block.height, next_step=advice),
        epoch=block.epoch,
    )


def _wrongly_signed(certificate: ConfirmedBlockCertificate, text: str) -> UntrustedCertificate:
    block = certificate.block
    return UntrustedCertificate(
        Explanation(
            "A certificate is not signed by a quorum of its committee",
            chain_id=block.chain_id,
            height=block.height,
            reasons=(Reason(text),),
            next_step="nothing was changed; the node that sent it should not be trusted",
        ),
        epoch=block.epoch,
    )
