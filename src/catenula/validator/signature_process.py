"""Verifying ahead: a helper process checks the signatures of requests that wait for their turn.

Validators in one process get the same request in the same turn of the event loop, and handle it one
after the other. While the first is at work, the helper verifies for those that follow, on another
core. Each validator has its own requests verified and learns its own verdicts only (W8). Whatever
the helper does not take, finds wrong, or has not answered in time, the handler verifies itself.
"""

import asyncio
import os
import subprocess

from catenula.base.crypto import SignedHash
from catenula.base.limits import MAX_REQUESTS_VERIFIED_AHEAD
from catenula.validator.helper_process import HelperProcess
from catenula.validator.signature_packets import ANSWER, MAX_PACKET_BYTES, Request, pack
from catenula.worker.verified import VerifiedSignatures

REQUESTS_BEFORE_START = 300
"""Requests that could have been verified ahead: a program that ends soon needs no helper."""

_MODULE = "catenula.validator.signature_helper"


class SignatureHelper:
    """The helper process that verifies, which the validators of an embedded network share."""

    def __init__(self) -> None:
        self._helper = HelperProcess(_MODULE, starts_after=REQUESTS_BEFORE_START)
        self._is_worth_while = _cores() > 1
        self._turn_of: asyncio.AbstractEventLoop | None = None
        self._collected: list[Request] = []
        self._last_number = 0
        self._awaited: dict[int, tuple[VerifiedSignatures, list[SignedHash]]] = {}

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The process, once it has been started."""
        return self._helper.process

    async def verify_ahead(self, verified: VerifiedSignatures, signed: list[SignedHash]) -> None:
        """Have what a request needs verified; returns when it is the request's turn.

        What is found right by then is in ``verified``. The first request of a turn is not worth it:
        it is handled at once.
        """
        loop = asyncio.get_running_loop()
        is_served = self._helper.control is not None
        if self._turn_of is not loop:
            self._turn_of = loop
            loop.call_soon(self._end_turn)
        elif is_served:
            self._collect(verified, signed)
        elif self._is_worth_while:
            self._helper.count()
        if is_served:
            await asyncio.sleep(0)
            self._take_answers()

    def _collect(self, verified: VerifiedSignatures, signed: list[SignedHash]) -> None:
        if len(self._awaited) < MAX_REQUESTS_VERIFIED_AHEAD:
            self._last_number += 1
            self._awaited[self._last_number] = (verified, signed)
            self._collected.append((self._last_number, signed))

    def _end_turn(self) -> None:
        """Hand over what was collected; as much of it as fits into a packet."""
        self._turn_of = None
        requests, self._collected = self._collected, []
        control = self._helper.control
        sent: list[Request] = requests if control is not None else []
        while len(packet := pack(sent)) > MAX_PACKET_BYTES:
            sent = sent[: len(sent) // 2]
        try:
            if sent and control is not None:
                control.send(packet)
        except BlockingIOError:
            sent = []
        except OSError:
            self._lose()
        for number, _signed in requests[len(sent) :]:
            self._awaited.pop(number, None)

    def _take_answers(self) -> None:
        """Learn what the helper has found out by now."""
        control = self._helper.control
        while self._awaited and control is not None:
            try:
                answer = control.recv(ANSWER.size)
            except BlockingIOError:
                return
            except OSError:
                answer = b""
            if not answer:
                self._lose()
                return
            number, are_right = ANSWER.unpack(answer)
            verified, signed = self._awaited.pop(number)
            if are_right:
                for item in signed:
                    verified.add(item)

    def _lose(self) -> None:
        self._helper.lose()
        self._awaited.clear()

    def wait_until_started(self) -> None:
        """Return when a process that is being started serves, or has failed to."""
        self._helper.wait_until_started()

    def close(self) -> None:
        """End the process; the validators that use it have stopped."""
        self._helper.close()
        self._awaited.clear()


def _cores() -> int:
    """How many cores this process may use, as far as the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
