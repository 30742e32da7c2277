"""Where guests run: threads with enough stack; and what they leave: nothing."""

import gc
import threading
from collections.abc import Callable

import pytest

from catenula.base.errors import LocalError
from catenula.base.limits import MIN_GUEST_STACK_BYTES
from catenula.base.threads import start_guest_thread
from catenula.execution.wasm.instance import Guest
from catenula.execution.wasm.stack import require_stack
from catenula.testing.contracts import ContractTest
from tests.execution.wasm.contracts import NO_RESPONSE, NOTHING, contract, service


def in_thread(stack_bytes: int, work: Callable[[], object]) -> BaseException | None:
    """What ``work`` raises in a thread with this stack."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except LocalError as error:
            raised.append(error)

    usual = threading.stack_size(stack_bytes)
    try:
        thread = threading.Thread(target=run)
        thread.start()
    finally:
        threading.stack_size(usual)
    thread.join()
    return raised[0] if raised else None


def test_a_thread_with_too_little_stack_runs_no_guest() -> None:
    application = ContractTest().deploy(contract(NO_RESPONSE), NOTHING)
    error = in_thread(MIN_GUEST_STACK_BYTES // 2, lambda: application.execute(b""))
    assert "stack" in str(error)
    assert in_thread(MIN_GUEST_STACK_BYTES + 65_536, lambda: application.execute(b"")) is None


def test_threads_made_for_guests_have_enough() -> None:
    outcome: list[str] = []

    def work() -> None:
        require_stack()
        outcome.append("enough")

    usual = threading.stack_size(262_144)
    try:
        thread = start_guest_thread(work, name="guests")
        assert threading.stack_size() == 262_144
    finally:
        threading.stack_size(usual)
    thread.join()
    assert outcome == ["enough"]


@pytest.mark.parametrize("fails", [False, True])
def test_instances_go_with_their_action(fails: bool) -> None:
    body = "(unreachable)" if fails else NO_RESPONSE
    application = ContractTest().deploy(contract(body), service(body))
    gc.collect()
    gc.disable()
    try:
        for ask in (application.execute, application.query):
            try:
                ask(b"")
            except Exception:  # noqa: BLE001  # Which one it is does not matter; it must be gone.
                assert fails
        assert not [found for found in gc.get_objects() if isinstance(found, Guest)]
    finally:
        gc.enable()
