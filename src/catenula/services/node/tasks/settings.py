"""Settings of task processors (spec 08 §2.1)."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field

from catenula.base.identifiers import ApplicationId

DEFAULT_RETRY_SECONDS = 5.0


class TaskSettings(Struct, frozen=True):
    """Which applications are served on the default chain, by which programs.

    The controller is an application that names further applications and chains. A group of tasks
    that failed is tried again after ``retry_seconds``.
    """

    applications: tuple[ApplicationId, ...] = ()
    controller: ApplicationId | None = None
    operators: Mapping[str, Path] = field(default_factory=dict)
    retry_seconds: float = DEFAULT_RETRY_SECONDS

    @property
    def is_used(self) -> bool:
        """Whether there is anything to process."""
        return bool(self.applications) or self.controller is not None
