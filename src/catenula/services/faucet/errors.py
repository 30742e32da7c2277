"""Why a faucet gives nothing, in the exact words clients know (spec 08 §3.2).

FaucetRefusal   a claim is refused; its message is one of the texts below
"""

from catenula.base.errors import ProtocolError

HAS_CHAIN = "This user already has a chain"
NO_CHAIN = "This user has no chain yet"
CLAIM_FIRST = "You must claim a chain before making daily claims"
CLAIMED_THIS_PERIOD = "You have already claimed tokens for this period"
NO_DAILY_CLAIMS = "Daily claims are not enabled on this faucet"
RATE_LIMITED = "Not enough unlocked balance; try again later."
EMPTY = "The faucet is empty."
BUSY = "The faucet is busy: too many claims are waiting. Try again in a few seconds."
STOPPING = "The faucet is stopping. Try again later."


class FaucetRefusal(ProtocolError):
    """A claim or query is refused; the text is for the client."""

    def message(self) -> str:
        """The exact text."""
        return self.code
