"""From errors of the layers below to messages for a person and exit codes.

Exit codes are the reference's (spec 08 §1): 0 success, 1 failure, 2 wrong usage (click's own), 101
where the reference's program panics, so that scripts may tell; 70 is a violated invariant of ours.
This module must import nothing of the project but the error roots.
"""

import json
from typing import Any

import click

from catenula.base.errors import InvariantViolation, LocalError, ProtocolError

EXIT_FAILURE = 1
"""A rule was broken, a check failed or this machine failed."""

EXIT_BUG = 70
"""An invariant of this program is violated (EX_SOFTWARE)."""

EXIT_ABSENT = 101
"""What was asked for by name is not there, where the reference's program panics."""

ERROR_ROOTS = (ProtocolError, LocalError, InvariantViolation)


class Failure(click.ClickException):
    """An error of the layers below, as one message for a person; ends with `EXIT_FAILURE`.

    ``data`` is the same for a program: one JSON object on stderr when ``--json`` is given.
    """

    exit_code = EXIT_FAILURE

    def __init__(self, message: str, data: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.data = data or {"code": type(self).__name__, "what": message}
        self.as_json = False

    def show(self, file: Any = None) -> None:
        """Write the message to stderr."""
        if self.as_json:
            click.echo(json.dumps({"error": self.data}, ensure_ascii=False), err=True)
        else:
            super().show(file)


class Bug(Failure):
    """A violated invariant, as one message for a person; ends with `EXIT_BUG`."""

    exit_code = EXIT_BUG


class Absent(Failure):
    """Something named does not exist; ends with `EXIT_ABSENT`, as the reference's panic does."""

    exit_code = EXIT_ABSENT


def failure_of(error: BaseException) -> Failure:
    """The failure that tells a person about an error of one of the three roots."""
    message = explain(error)
    if isinstance(error, InvariantViolation):
        hint = "This is a bug of Catenula; nothing was signed. Please report it."
        return Bug(f"{message}\n{hint}", {"code": error.identifier, "what": str(error)})
    if isinstance(error, LocalError):
        hint = " Trying again may help." if error.retryable else ""
        data = {"code": type(error).__name__, "what": str(error), "retryable": error.retryable}
        return Failure(f"{message}{hint}", data)
    to_json = getattr(error, "to_json", None)
    data = to_json() if to_json is not None else _data_of(error)
    return Failure(message, data)


def _data_of(error: BaseException) -> dict[str, Any]:
    code = error.code if isinstance(error, ProtocolError) else type(error).__name__
    return {"code": code, "what": str(error)}


def explain(error: BaseException) -> str:
    """The error and, line by line, those of the errors that caused it that say something new."""
    told, has_reasons = str(error), _gives_reasons(error)
    cause = error.__cause__
    while cause is not None:
        # Reasons are made from the broken rules below; a failure of the machine may say more.
        is_told = has_reasons and isinstance(cause, ProtocolError)
        if not is_told and not _is_said(cause, told):
            told += f"\n  because: {cause}"
        has_reasons = has_reasons or _gives_reasons(cause)
        cause = cause.__cause__
    return told


def _gives_reasons(error: BaseException) -> bool:
    return bool(getattr(getattr(error, "explanation", None), "reasons", ()))


def _is_said(cause: BaseException, told: str) -> bool:
    texts = [str(cause)]
    if isinstance(cause, OSError) and cause.strerror:
        texts = [cause.strerror, str(cause.filename or "")]
    return all(text.casefold() in told.casefold() for text in texts)
