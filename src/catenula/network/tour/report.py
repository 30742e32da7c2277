"""What the tour reports: steps and the claims that were checked, as values and as JSON data."""

from typing import Any, NamedTuple, Protocol

from msgspec import Struct, field


class Claim(NamedTuple):
    """Something the tour says, whether it is true, and what was found."""

    text: str
    ok: bool
    detail: str = ""


class Step(Struct):
    """One step of the tour; ``error`` is why it could not be finished."""

    name: str
    title: str
    seconds: float = 0.0
    claims: list[Claim] = field(default_factory=list)
    error: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the step was finished and all of its claims hold."""
        return self.error is None and all(claim.ok for claim in self.claims)

    def to_json(self) -> dict[str, Any]:
        """The step as JSON data; ``error`` is left out when there is none."""
        data: dict[str, Any] = {
            "name": self.name,
            "title": self.title,
            "ok": self.ok,
            "seconds": round(self.seconds, 6),
            "claims": [claim._asdict() for claim in self.claims],
        }
        return data if self.error is None else {**data, "error": self.error}


class Report(Struct):
    """All steps that were begun; ``skipped`` are the names of those that were not."""

    steps: list[Step] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether every step was finished and every claim holds."""
        return not self.skipped and all(step.ok for step in self.steps)

    def count_claims(self) -> tuple[int, int]:
        """How many claims hold, and how many were checked."""
        claims = [claim for step in self.steps for claim in step.claims]
        return sum(claim.ok for claim in claims), len(claims)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON data: ``ok``, ``seconds``, ``claims``, ``steps``, ``skipped``."""
        held, checked = self.count_claims()
        return {
            "ok": self.ok,
            "seconds": round(self.seconds, 6),
            "claims": {"held": held, "checked": checked},
            "steps": [step.to_json() for step in self.steps],
            "skipped": self.skipped,
        }


class Narrator(Protocol):
    """Tells the tour while it happens."""

    def begin(self, step: Step) -> None:
        """A step begins."""
        ...

    def claim(self, claim: Claim) -> None:
        """A claim of the step was checked."""
        ...

    def end(self, step: Step) -> None:
        """The step ended."""
        ...
