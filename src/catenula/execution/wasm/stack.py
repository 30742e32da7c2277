"""Whether a thread has the stack that guests may use.

Guest code runs on the stack of the thread that calls it. The engine stops a guest that uses too
much, but cannot tell where the thread's stack ends; a thread with less would crash the process.
"""

import sys

from catenula.base.errors import LocalError
from catenula.base.limits import MIN_GUEST_STACK_BYTES
from catenula.execution.wasm.library import library

_ATTRIBUTE_WORDS = 32
"""Room for ``pthread_attr_t``, which takes 7 or 8 words."""


def require_stack() -> None:
    """`LocalError` when the stack of this thread is smaller than `MIN_GUEST_STACK_BYTES`.

    Only Linux is asked; elsewhere, the threads that this program makes are large enough.
    """
    if not sys.platform.startswith("linux"):
        return
    size = _stack_bytes()
    if size < MIN_GUEST_STACK_BYTES:
        raise LocalError(
            f"this thread has a stack of {size} bytes, but applications need"
            f" {MIN_GUEST_STACK_BYTES}: raise the limit (ulimit -s 8192), or start the thread with"
            " catenula.base.threads.start_guest_thread",
            retryable=False,
            size=size,
        )


def _stack_bytes() -> int:
    ffi = library().ffi
    system = ffi.dlopen(None)
    attributes = ffi.new("uint64_t[]", _ATTRIBUTE_WORDS)
    base, size = ffi.new("void **"), ffi.new("size_t *")
    if system.pthread_getattr_np(system.pthread_self(), attributes):
        raise LocalError("the system does not tell the size of this stack", retryable=False)
    system.pthread_attr_getstack(attributes, base, size)
    system.pthread_attr_destroy(attributes)
    return int(size[0])
