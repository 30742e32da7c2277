"""Ending an asynchronous test without anything left behind."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def to_its_end(test: Coroutine[Any, Any, None]) -> None:
    """Run a test, then end the tasks and timers it has left, and what ending them makes.

    ``asyncio.run`` ends the tasks of one moment. One that is made later, most often by a timer, is
    never run, of which the interpreter complains in the middle of another test.
    """
    try:
        await test
    finally:
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.wait(others)
        loop = asyncio.get_running_loop()
        for timer in loop._scheduled:  # type: ignore[attr-defined]  # No other way to find them.
            timer.cancel()
