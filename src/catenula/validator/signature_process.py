"""Verifying ahead: a helper process checks the signatures of requests that wait for their turn.

Validators in one process get the same request in the same turn of the event loop, and handle it one
after the other. While the first is at work, the helper verifies for those that follow, on another
core. Each validator has its own requests verified and learns its own verdicts only (W8). Whatever
the helper does not take, finds wrong, or has not answered in time, the handler verifies itself.
"""

import asyncio
import os
import struct
import subprocess
from itertools import count

from catenula.base.crypto import SignedHash
from catenula.base.limits import MAX_REQUESTS_VERIFIED_AHEAD
from catenula.validator.helper_process import MAX_PACKET_BYTES, HelperProcess
from catenula.validator.signature_packets import ANSWER, Request, pack
from catenula.worker.verified import VerifiedSignatures

REQUESTS_BEFORE_START = 300
"""Requests that could have been verified ahead: a program that ends soon needs no helper."""

_MODULE = "catenula.validator.signature_helper"
_PATIENCE_SECONDS = 0.25
"""It owes nobody anything, so that one that hangs may be killed at once."""


class SignatureHelper:
    """The helper process that verifies, which the validators of an embedded network share."""

    def __init__(self) -> None:
        self._helper = HelperProcess(
            _MODULE, starts_after=REQUESTS_BEFORE_START, patience_seconds=_PATIENCE_SECONDS
        )
        self._turn_of: asyncio.AbstractEventLoop | None = None
        self._collected: list[Request] = []
        self._numbers = count(1)
        self._awaited: dict[int, tuple[VerifiedSignatures, list[SignedHash]]] = {}

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The process, once it has been started."""
        return self._helper.process

    @property
    def is_serving(self) -> bool:
        """Whether requests are handed over."""
        return self._helper.control is not None

    @property
    def due(self) -> int:
        """Requests that were handed over and are not answered."""
        return len(self._awaited)

    async def verify_ahead(self, verified: VerifiedSignatures, signed: list[SignedHash]) -> None:
        """Have what a request needs verified; returns when it is the request's turn.

        What is found right by then is in ``verified``. The first request of a turn lets the others
        be handed over, but is not handed over itself: it is the next to be handled.
        """
        loop = asyncio.get_running_loop()
        is_serving = self.is_serving
        if self._turn_of is not loop:
            loop.call_soon(self._end_turn)
            self._turn_of = loop
        elif is_serving:
            self._collect(verified, signed)
        else:
            self._helper.count()
        if is_serving:
            await asyncio.sleep(0)
            self._take_answers()

    def _collect(self, verified: VerifiedSignatures, signed: list[SignedHash]) -> None:
        if len(self._awaited) < MAX_REQUESTS_VERIFIED_AHEAD:
            number = next(self._numbers)
            self._awaited[number] = (verified, signed)
            self._collected.append((number, signed))

    def _end_turn(self) -> None:
        """Hand over what was collected; as much of it as fits into a packet."""
        self._turn_of = None
        requests, self._collected = self._collected, []
        sent = 0
        try:
            if requests:
                sent = self._send(requests)
        finally:
            for number, _signed in requests[sent:]:
                self._awaited.pop(number, None)

    def _send(self, requests: list[Request]) -> int:
        """Send a part of the requests; returns how many."""
        control = self._helper.control
        if control is None:
            return 0
        while len(packet := pack(requests)) > MAX_PACKET_BYTES:
            requests = requests[: len(requests) // 2]
        try:
            control.send(packet)
        except BlockingIOError:
            return 0
        except OSError:
            self._lose()
        return len(requests)

    def _take_answers(self) -> None:
        """Learn what the helper has found out by now."""
        control = self._helper.control
        while self._awaited and control is not None:
            try:
                number, are_right = ANSWER.unpack(control.recv(ANSWER.size))
                verified, signed = self._awaited.pop(number)
            except BlockingIOError:
                return
            except (OSError, struct.error, KeyError):
                self._lose()  # It has ended, or does not know what it says.
                return
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


def signature_helper() -> SignatureHelper | None:
    """What the validators of a process share, if it may use more than one core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return SignatureHelper() if cores is not None and cores > 1 else None
