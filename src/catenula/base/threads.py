"""Threads that may run applications.

Guests and the host's frames between them take stack, and what a system gives a thread by itself
differs from 128 KiB to 8 MiB; running out of it would end the process.
"""

import threading
from collections.abc import Callable
from typing import Any

from catenula.base.limits import GUEST_THREAD_STACK_BYTES

_setting = threading.Lock()


def start_guest_thread(
    target: Callable[..., Any], *, name: str, arguments: tuple[Any, ...] = ()
) -> threading.Thread:
    """Start a daemon thread with enough stack for applications."""
    thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
    with _setting:
        before = threading.stack_size(GUEST_THREAD_STACK_BYTES)
        try:
            thread.start()
        finally:
            threading.stack_size(before)
    return thread
