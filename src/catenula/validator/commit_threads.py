"""Where batches are committed: on threads, or by a helper process (decision 0004)."""

from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from threading import Thread

from catenula.base.limits import MAX_COMMIT_THREADS
from catenula.storage.engine import Store
from catenula.validator.commit_process import CommitHelper, StoreChannel

QUICK_COMMIT_SECONDS = 0.000_75
"""A disk is quick if the quickest of a store's last commits took less."""
COMMITS_REMEMBERED = 8


class CommitThread:
    """A thread that commits batches one after the other; it may serve several stores."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: Thread | None = None

    def put(self, job: Callable[[], None]) -> None:
        """Run a job after those before it; it must not raise."""
        if self._thread is None:
            self._thread = Thread(target=self._serve, name="commit", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def close(self) -> None:
        """Finish the accepted jobs and end the thread."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None


class CommitPlaces:
    """Where the batches of one store are committed.

    While commits are quick, stores take turns on one thread: waiting for another's costs less than
    a further thread that takes the interpreter from the event loop. Where the disk is slow, stores
    wait for it at the same time, each on a thread of its own.
    """

    def __init__(
        self,
        common: CommitThread,
        own: CommitThread,
        channel: Callable[[], StoreChannel | None] = lambda: None,
    ) -> None:
        self._common, self._own = common, own
        self._make_channel = channel
        self._channel: StoreChannel | None = None
        self._is_quick = True
        self._slow_commits = COMMITS_REMEMBERED - 1

    def put(self, job: Callable[[], None]) -> None:
        """Run a job; the store's previous one must have ended."""
        (self._common if self._is_quick else self._own).put(job)

    def channel(self) -> StoreChannel | None:
        """Where the helper process takes the store's next commit instead of a thread.

        Not on a slow disk, as it serves one store after the other. Its times contain no waits for
        the interpreter, so that what was thought slow before is given another chance.
        """
        if self._channel is None:
            self._channel = self._make_channel()
            if self._channel is not None:
                self._is_quick, self._slow_commits = True, 0
        return self._channel if self._is_quick else None

    def took(self, seconds: float) -> None:
        """A commit of the store has taken so long, its waits for the interpreter included.

        Those vary and the disk's time hardly does, which is why the quickest commit tells.
        """
        if seconds < QUICK_COMMIT_SECONDS:
            self._slow_commits = 0
        else:
            self._slow_commits += 1
        self._is_quick = self._slow_commits < COMMITS_REMEMBERED

    async def close(self) -> None:
        """Return when the helper process has let go of the store; its commits have ended."""
        if self._channel is not None:
            await self._channel.close()


class CommitThreads:
    """What the stores of one process share: threads and a helper process, started when needed."""

    def __init__(self) -> None:
        self._common = CommitThread()
        self._own = [CommitThread() for _ in range(MAX_COMMIT_THREADS)]
        self.helper = CommitHelper()
        self._assigned = 0

    def assign(self, store: Store) -> CommitPlaces:
        """Where a store is committed; the threads of one's own are given out in turn."""
        own = self._own[self._assigned % len(self._own)]
        self._assigned += 1
        return CommitPlaces(self._common, own, partial(self.helper.channel_for, store))

    def close(self) -> None:
        """End threads and process; the committers that use them are closed before."""
        for thread in (self._common, *self._own):
            thread.close()
        self.helper.close()
