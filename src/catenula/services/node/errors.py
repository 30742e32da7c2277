"""What a node service refuses.

ServiceRefusal   a request is refused; its message is the text for the client
"""

from catenula.base.errors import ProtocolError


class ServiceRefusal(ProtocolError):
    """A request is refused; the code is the text for the client."""

    def message(self) -> str:
        """The exact text."""
        return self.code
