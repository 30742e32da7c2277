"""Group commits: one durable batch for all who wait (design §3, rule 2)."""

import asyncio
import threading

import pytest

from catenula.base.errors import LocalError
from catenula.protocol import ChainInfoQuery
from catenula.storage import PUT, Batch
from catenula.storage.engine import Group, open_store
from catenula.storage.memory import MemoryStore
from catenula.testing.faulty_store import FaultyStore, InjectedFault
from catenula.validator.commit_threads import COMMITS_REMEMBERED, CommitThreads
from catenula.validator.committer import (
    GroupCommitter,
    InlineCommitter,
    committer_for,
)
from tests.validator.scene import Scene, start, turns


def group(key: bytes) -> list[Group]:
    return [(b"root", Batch([(PUT, key, b"value")]))]


class SlowStore(FaultyStore):
    """A store whose commits wait for `release`."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.release = threading.Semaphore(0)

    def commit(self, groups: object, fences: object = ()) -> None:
        self.release.acquire()
        super().commit(groups, fences)  # type: ignore[arg-type]  # Passed on.


class TellingStore(FaultyStore):
    """A store that knows on which threads it was written."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.threads: list[int] = []

    def commit(self, groups: object, fences: object = ()) -> None:
        self.threads.append(threading.get_ident())
        super().commit(groups, fences)  # type: ignore[arg-type]  # Passed on.


def test_what_waits_during_a_commit_goes_into_the_next_one() -> None:
    async def scenario() -> None:
        store = SlowStore()
        committer = GroupCommitter(store)
        first = start(committer.commit(group(b"0")))
        await turns(3)
        others = [start(committer.commit(group(bytes((n,))))) for n in range(1, 6)]
        await turns(3)
        assert not first.done()
        store.release.release()
        store.release.release()
        await asyncio.gather(first, *others)
        assert store.commits == 2
        assert len(store.partition(b"root").scan_keys(b"")) == 6
        await committer.close()

    asyncio.run(scenario())


def test_stores_with_a_slow_disk_wait_for_it_at_the_same_time() -> None:
    together = threading.Barrier(4, timeout=30)

    class MeetingStore(FaultyStore):
        def commit(self, groups: object, fences: object = ()) -> None:
            together.wait()
            super().commit(groups, fences)  # type: ignore[arg-type]  # Passed on.

    async def scenario() -> None:
        shared = CommitThreads()
        stores = [MeetingStore(MemoryStore()) for _ in range(4)]
        lanes = [shared.assign(store) for store in stores]
        for lane in lanes:
            lane.took(1.0)  # No quicker one is known.
        committers = [GroupCommitter(*pair) for pair in zip(stores, lanes, strict=True)]
        await asyncio.gather(*(committer.commit(group(b"0")) for committer in committers))
        assert [store.commits for store in stores] == [1, 1, 1, 1]
        shared.close()

    asyncio.run(scenario())


def test_a_store_moves_to_a_thread_of_its_own_and_back() -> None:
    store = TellingStore()

    async def scenario() -> None:
        shared = CommitThreads()
        lane = shared.assign(store)
        committer = GroupCommitter(store, lane)
        await committer.commit(group(b"0"))
        for _ in range(COMMITS_REMEMBERED):
            lane.took(0.01)
        await committer.commit(group(b"0"))
        lane.took(0.0)
        await committer.commit(group(b"0"))
        shared.close()

    asyncio.run(scenario())
    common, own, again = store.threads
    assert common == again != own


def test_stores_with_a_quick_disk_share_a_thread() -> None:
    stores = [TellingStore() for _ in range(4)]

    async def scenario() -> None:
        shared = CommitThreads()
        committers = [GroupCommitter(store, shared.assign(store)) for store in stores]
        await asyncio.gather(*(committer.commit(group(b"0")) for committer in committers))
        shared.close()

    asyncio.run(scenario())
    assert len({thread for store in stores for thread in store.threads}) == 1


def test_a_failed_batch_fails_for_all_who_were_in_it() -> None:
    async def scenario() -> None:
        store = SlowStore()
        committer = GroupCommitter(store)
        store.fail_at(2)
        waiting = [start(committer.commit(group(bytes((n,))))) for n in range(4)]
        await turns(3)
        for _ in range(3):
            store.release.release()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [type(None), *[InjectedFault] * 3]
        await committer.commit(group(b"later"))
        await committer.close()

    asyncio.run(scenario())


def test_a_bug_in_one_callers_effects_does_not_hold_up_the_others() -> None:
    async def scenario() -> None:
        store = SlowStore()
        committer = GroupCommitter(store)
        failures: list[object] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: failures.append(context["exception"])
        )
        first = start(committer.commit(group(b"0")))
        await turns(3)
        committer.submit(group(b"1"), lambda _: 1 // 0)  # type: ignore[arg-type]  # A bug.
        second = start(committer.commit(group(b"2")))
        await turns(3)
        store.release.release()
        store.release.release()
        await asyncio.gather(first, second)
        await committer.settled()
        assert [type(failure) for failure in failures] == [ZeroDivisionError]
        await committer.close()

    asyncio.run(scenario())


def test_a_bug_in_the_engine_reaches_those_who_wait_and_the_committer_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        store = FaultyStore(MemoryStore())
        committer = GroupCommitter(store)
        with monkeypatch.context() as patched:
            patched.setattr(store, "commit", lambda groups: 1 // 0)
            with pytest.raises(ZeroDivisionError):
                await committer.commit(group(b"0"))
        await committer.commit(group(b"1"))
        await committer.close()

    asyncio.run(scenario())


def test_one_who_stops_waiting_does_not_disturb_the_others() -> None:
    async def scenario() -> None:
        store = SlowStore()
        committer = GroupCommitter(store)
        first, second = (start(committer.commit(group(key))) for key in (b"0", b"1"))
        await turns(3)
        first.cancel()
        await turns(3)
        store.release.release()
        store.release.release()
        await second
        assert len(store.partition(b"root").scan_keys(b"")) == 2
        await committer.close()

    asyncio.run(scenario())


def test_closing_finishes_what_was_accepted_and_refuses_the_rest() -> None:
    async def scenario() -> None:
        store = SlowStore()
        committer = GroupCommitter(store)
        accepted = start(committer.commit(group(b"0")))
        await turns(3)
        closing = start(committer.close())
        await turns(3)
        with pytest.raises(LocalError, match="has stopped"):
            await committer.commit(group(b"1"))
        store.release.release()
        await closing
        await accepted
        assert store.partition(b"root").scan_keys(b"") == [b"0"]

    asyncio.run(scenario())


def test_memory_is_committed_inline_and_disks_in_groups(tmp_path: object) -> None:
    assert isinstance(committer_for(MemoryStore("memory:")), InlineCommitter)
    with open_store(f"sqlite:{tmp_path}/store") as store:
        assert isinstance(committer_for(store), GroupCommitter)


def test_many_chains_share_a_commit() -> None:
    async def scenario() -> None:
        store = FaultyStore(MemoryStore())
        committer = GroupCommitter(store)
        scene = Scene(store=store, committer=committer)
        before = store.commits
        queries = [ChainInfoQuery(chain_id) for chain_id in scene.chain_ids]
        await asyncio.gather(*map(scene.driver.handle_chain_info_query, queries))
        assert store.commits - before <= 2
        await committer.close()

    asyncio.run(scenario())
