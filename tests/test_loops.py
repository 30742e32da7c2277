"""What an asynchronous test leaves behind ends with it."""

import asyncio

from tests.loops import to_its_end


def test_a_timer_that_is_left_behind_makes_no_task() -> None:
    """It would be made while the loop is closed, and never run."""
    made: list[asyncio.Task[None]] = []

    async def test() -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + 0.001
        loop.call_at(due, lambda: made.append(loop.create_task(asyncio.sleep(0))))
        while loop.time() < due:
            continue

    asyncio.run(to_its_end(test()))
    assert made == []


def test_a_task_that_is_made_by_the_end_of_another_ends_too() -> None:
    ended: list[str] = []

    async def wait(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def test() -> None:
        task = asyncio.ensure_future(wait("first"))
        task.add_done_callback(lambda _: following.append(asyncio.ensure_future(wait("second"))))
        await asyncio.sleep(0)

    following: list[asyncio.Task[None]] = []
    asyncio.run(to_its_end(test()))
    assert ended[0] == "first"
    assert [task.done() for task in following] == [True]
