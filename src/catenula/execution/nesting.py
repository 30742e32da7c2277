"""How deep guests may be inside each other: one rule for native and for Wasm guests alike.

A guest is active from the moment it is entered until it returns: called by a user's action or by
another guest, created by one, or asked as a service, also by a contract. The protocol has no bound
(spec 04 §4.3); here it is `MAX_CALL_DEPTH`, because each takes from the stack of the thread it
runs on, so it is counted per thread and across runtimes. Invariant: whoever entered leaves, also
when the guest fails.
"""

import threading

from catenula.base.limits import MAX_CALL_DEPTH
from catenula.execution.errors import runtime_error


class _Depth(threading.local):
    """Guests that are active on this thread."""

    value = 0


_depth = _Depth()


def enter_guest() -> None:
    """A guest is about to run; `ExecutionError` when too many are active already."""
    depth = _depth.value
    if depth >= MAX_CALL_DEPTH:
        raise runtime_error("ExcessiveCallDepth", maximum=MAX_CALL_DEPTH)
    _depth.value = depth + 1


def leave_guest() -> None:
    """The guest entered last has returned, or failed."""
    _depth.value -= 1
