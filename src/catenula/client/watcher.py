"""Who wants to see how far long work is: a bar on a terminal, a log, nobody.

Flows tell after every step how much of a piece of work is done and how much there is; the pieces
are told apart by a key. Telling must cost nothing to speak of and never fail.
"""

from collections.abc import Hashable


class Watcher:
    """Hears how far things are; this one does not listen."""

    is_listening = False
    """Whether it is worth finding out how much there is to do."""

    def told(self, work: Hashable, done: int, total: int) -> None:
        """So much of a piece of work is done. ``total`` may grow while it is worked on."""


NOBODY = Watcher()


class Span:
    """Work that is counted from where it began: the heights of a chain, for example."""

    __slots__ = ("_goal", "_start", "_watcher", "_work")

    def __init__(self, watcher: Watcher, work: Hashable, *, start: int, goal: int) -> None:
        self._watcher, self._work, self._start, self._goal = watcher, work, start, goal
        self.reached(start)

    def reached(self, position: int) -> None:
        """The work has got to ``position``."""
        done, total = position - self._start, self._goal - self._start
        if total > 0:
            self._watcher.told(self._work, min(done, total), total)
