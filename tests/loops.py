"""Ending an asynchronous test without anything left behind."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def to_its_end(test: Coroutine[Any, Any, None]) -> None:
    """Run a test, then end the tasks it has left, and those that ending them makes.

    ``asyncio.run`` ends the tasks of one moment. One that is made later is never run, of which the
    interpreter complains in the middle of another test.
    """
    try:
        await test
    finally:
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.wait(others)
