"""How commands that run until they are stopped hear that they shall stop."""

import asyncio
import signal


def stop_signal() -> asyncio.Event:
    """Set by Ctrl-C and by a polite request to end; a second Ctrl-C interrupts as usual."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def hear() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, hear)
    return stop
