"""Structured logs of a server process: an event's name and its fields, for people or as JSON lines.

A key is never logged: what looks like a secret in a field is hidden, and objects that hold secrets
do not show them. Only processes that serve set logging up; libraries and tests are left alone.
"""

import json
import logging
import sys
from typing import Any, TextIO

from catenula.base.crypto.secret_keys import AccountSecretKey, ValidatorSecretKey
from catenula.base.errors import show_value
from catenula.validator.configuration import LogOptions

ROOT = "catenula"
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_HIDDEN = "(hidden)"


class Log:
    """Where one part of a program reports events; ``fields`` go with every one of them."""

    def __init__(self, part: str, **fields: Any) -> None:
        self._logger = logging.getLogger(f"{ROOT}.{part}")
        self._fields = fields

    def bind(self, **fields: Any) -> "Log":
        """The same part with more fields."""
        part = self._logger.name.removeprefix(f"{ROOT}.")
        return Log(part, **{**self._fields, **fields})

    def debug(self, event: str, **fields: Any) -> None:
        """Something for whoever looks for a fault."""
        self._report(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """Something an operator may want to know."""
        self._report(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Something went wrong and is being dealt with."""
        self._report(logging.WARNING, event, fields)

    def failure(self, event: str, **fields: Any) -> None:
        """Something went wrong and needs an operator."""
        self._report(logging.ERROR, event, fields)

    def bug(self, event: str, error: BaseException, **fields: Any) -> None:
        """Something happened that must not; with the place where it did."""
        extra = {"fields": {**self._fields, **fields, "error": error}}
        self._logger.error("%s", event, extra=extra, exc_info=error)

    def _report(self, level: int, event: str, fields: dict[str, Any]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", event, extra={"fields": {**self._fields, **fields}})


def _shown(value: Any) -> Any:
    if isinstance(value, ValidatorSecretKey | AccountSecretKey):
        return _HIDDEN
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, BaseException):
        return _error_text(value)
    return show_value(value)


def _error_text(error: BaseException) -> str:
    lines = [str(error) or type(error).__name__]
    while error.__cause__ is not None:
        error = error.__cause__
        lines.append(str(error) or type(error).__name__)
    return " <- ".join(lines)


class JsonLines(logging.Formatter):
    """One JSON object per line: time (UTC, ISO 8601), level, part, event, fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        fields = getattr(record, "fields", {})
        data: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "part": record.name.removeprefix(f"{ROOT}."),
            "process": record.process,
            "event": record.getMessage(),
            **{name: _shown(value) for name, value in fields.items()},
        }
        if record.exc_info:
            data["trace"] = self.formatException(record.exc_info)
        return json.dumps(data, ensure_ascii=False)


class HumanLines(logging.Formatter):
    """A line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        fields = getattr(record, "fields", {})
        shown = " ".join(f"{name}={_shown(value)}" for name, value in fields.items())
        part = record.name.removeprefix(f"{ROOT}.")
        line = f"{_time(record)} {record.levelname:<7} {part}: {record.getMessage()} {shown}"
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return line.rstrip() + trace


def _time(record: logging.LogRecord) -> str:
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def set_up_logs(options: LogOptions, stream: TextIO | None = None) -> None:
    """Log to ``stream`` (stderr) from now on; replaces what was set up before."""
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonLines() if options.form == "json" else HumanLines())
    logger = logging.getLogger(ROOT)
    for old in tuple(logger.handlers):
        logger.removeHandler(old)
    logger.addHandler(handler)
    logger.setLevel(_LEVELS[options.level])
    logger.propagate = False
