"""`FaultyStore`: a store whose commits fail on command, for crash and disk-error tests.

It wraps any engine. A planned fault hits one numbered commit (counting from 1) or every k-th one;
reads and all other commits go through. Nothing here is random: the same plan gives the same faults.
"""

from collections.abc import Mapping, Sequence
from enum import Enum

from catenula.base.errors import LocalError
from catenula.storage import Batch, Claim, Fence, Group, Partition, Store


class Fault(Enum):
    """What a planned fault does to a commit."""

    BEFORE = "before"
    """Nothing is written; the commit reports failure."""
    AFTER = "after"
    """Everything is written, but the commit reports failure (a crash before the answer)."""
    SPLIT = "split"
    """Only the first groups are stored, each of them whole; `FaultyStore.fail_at` says how many."""
    TORN = "torn"
    """Only the first half of the groups, and half of the next one's writes, are stored: what an
    engine without atomic commits would leave behind."""


class InjectedFault(LocalError):
    """The failure a planned fault reports."""

    def __init__(self, fault: Fault, number: int) -> None:
        super().__init__(
            f"injected fault ({fault.value}) at commit {number}", retryable=True, number=number
        )
        self.fault = fault


class FaultyStore(Store):
    """A store with planned faults. `commits` counts the commits that were tried."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.name = f"faulty {inner.name}"
        self.commits = 0
        self._plan: dict[int, Fault] = {}
        self._kept_groups = 0
        self._every = 0
        self._every_fault = Fault.BEFORE

    def fail_at(self, number: int, fault: Fault = Fault.BEFORE, *, kept_groups: int = 0) -> None:
        """Fail the commit with this number (1 is the first ever on this wrapper).

        `Fault.SPLIT` stores the first ``kept_groups`` groups.
        """
        self._plan[number] = fault
        self._kept_groups = kept_groups

    def fail_next(self, fault: Fault = Fault.BEFORE) -> None:
        """Fail the next commit."""
        self.fail_at(self.commits + 1, fault)

    def fail_every(self, interval: int, fault: Fault = Fault.BEFORE) -> None:
        """Fail each commit whose number is a multiple of ``interval``; 0 ends it."""
        self._every, self._every_fault = interval, fault

    def heal(self) -> None:
        """Drop all planned faults."""
        self._plan.clear()
        self._every = 0

    def partition(self, root: bytes) -> Partition:
        """The partition of the wrapped store."""
        return self.inner.partition(root)

    def claim(self, mode: Claim = Claim.EXCLUSIVE) -> None:
        self.inner.claim(mode)

    def commit(self, groups: Sequence[Group], fences: Sequence[Fence] = ()) -> None:
        """Commit, unless a fault is planned for this one (`InjectedFault`)."""
        self.commits += 1
        fault = self._due_fault()
        if fault is None:
            self.inner.commit(groups, fences)
            return
        if fault is Fault.AFTER:
            self.inner.commit(groups, fences)
        elif fault is Fault.SPLIT:
            self.inner.commit(groups[: self._kept_groups], fences)
        elif fault is Fault.TORN:
            self.inner.commit(_first_half(groups), fences)
        raise InjectedFault(fault, self.commits)

    def roots(self, prefix: bytes = b"") -> list[bytes]:
        """The roots of the wrapped store."""
        return self.inner.roots(prefix)

    def acquire(self, scope: bytes) -> Fence:
        """Take over ``scope`` in the wrapped store."""
        return self.inner.acquire(scope)

    def tokens(self) -> Mapping[bytes, int]:
        """The tokens in the wrapped store."""
        return self.inner.tokens()

    def close(self) -> None:
        """Close the wrapped store."""
        self.inner.close()

    def _due_fault(self) -> Fault | None:
        planned = self._plan.pop(self.commits, None)
        if planned is None and self._every and self.commits % self._every == 0:
            return self._every_fault
        return planned


def _first_half(groups: Sequence[Group]) -> list[Group]:
    total = sum(len(batch) for _, batch in groups)
    left = total // 2
    kept: list[Group] = []
    for root, batch in groups:
        kept.append((root, Batch(batch.operations[:left])))
        left -= min(left, len(batch))
    return kept
