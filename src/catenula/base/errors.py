"""The three error roots, drawn once for the whole project.

    ProtocolError        the peer or the user broke a rule of the protocol
      DecodeError        bytes, text or JSON that are not a value of the expected type
      ArithmeticOverflow a checked operation left the range of its integer type
    LocalError           this machine failed (disk, network, time-out); says whether a retry helps
    InvariantViolation   our own bug; raised before anything is signed or stored

Inner errors are chained with ``raise … from``, never flattened into text.
"""

from typing import Any


class ProtocolError(Exception):
    """A rule of the protocol was broken by a peer or a user.

    ``code`` is stable and machine-readable (by convention the protocol's own name of the rule);
    ``fields`` hold the values that broke it.
    """

    def __init__(self, code: str, **fields: Any) -> None:
        super().__init__(code)
        self.code = code
        self.fields = fields

    def message(self) -> str:
        """One line for a person: the code and its values."""
        if not self.fields:
            return self.code
        values = ", ".join(f"{name}={show_value(value)}" for name, value in self.fields.items())
        return f"{self.code}: {values}"

    def __str__(self) -> str:
        return self.message()


class DecodeError(ProtocolError):
    """Received bytes, text or JSON are not a value of the expected type."""


class ArithmeticOverflow(ProtocolError):
    """A checked arithmetic operation left the range of its integer type."""

    def __init__(self, operation: str, **fields: Any) -> None:
        super().__init__("ArithmeticError", operation=operation, **fields)


class LocalError(Exception):
    """Something on this side failed: disk, network, time-out, configuration.

    ``retryable`` says whether doing the same again may help.
    """

    def __init__(self, message: str, *, retryable: bool, **fields: Any) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.fields = fields


class InvariantViolation(Exception):
    """A condition that must hold does not: a bug of this project.

    ``identifier`` names the entry of ``docs/invariants.md``.
    """

    def __init__(self, identifier: str, **values: Any) -> None:
        details = ", ".join(f"{name}={show_value(value)}" for name, value in values.items())
        super().__init__(
            f"invariant {identifier} is violated" + (f" ({details})" if details else "")
        )
        self.identifier = identifier
        self.values = values


def invariant(condition: object, identifier: str, **values: Any) -> None:
    """Raise `InvariantViolation` unless ``condition`` is true."""
    if not condition:
        raise InvariantViolation(identifier, **values)


def show_value(value: object) -> str:
    """A short text of a value in an error: identifiers in their text form, other bytes in hex."""
    if isinstance(value, bytes) and type(value) is bytes:
        return value.hex() if len(value) <= 40 else f"{value[:40].hex()}… ({len(value)} bytes)"
    if isinstance(value, tuple | list):
        shown = ", ".join(show_value(item) for item in value[:8])
        return f"[{shown}{', …' if len(value) > 8 else ''}]"
    return str(value)
