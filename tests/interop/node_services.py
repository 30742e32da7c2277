"""Node services of either make as processes, and plain requests to them."""

import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.interop.commands import Wallet
from tests.ports import free_port

PATIENCE_SECONDS = 90
PAUSE_SECONDS = 0.1


class Refused(Exception):
    """A service or an application said no."""


@contextmanager
def serving(wallet: Wallet) -> Iterator[str]:
    """The wallet's node service; its address once it answers."""
    port = free_port()
    with wallet.start("service", "--port", str(port)) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/ready", process)
            yield f"http://localhost:{port}"
        finally:
            process.terminate()


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    pause = threading.Event()
    while process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            pause.wait(PAUSE_SECONDS)
        else:
            return
    raise AssertionError(f"the node service ended with {process.returncode}")


def ask_application(
    service: str, chain: str, application: str, query: str, **variables: object
) -> Any:
    """What an application answers: data, or the hash of a block; `Refused` with the reason."""
    request = urllib.request.Request(
        f"{service}/chains/{chain}/applications/{application}",
        json.dumps({"query": query, "variables": variables}).encode(),
        {"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
            answer = json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            raise Refused(error.read().decode()) from error
    if "errors" in answer:
        raise Refused(str(answer["errors"]))
    return answer["data"]


def until(read: Callable[[], Any], expected: object) -> None:
    """Wait until something is as expected; AssertionError with what it is when it does not come."""
    deadline, pause = time.monotonic() + PATIENCE_SECONDS, threading.Event()
    while (found := read()) != expected:
        assert time.monotonic() < deadline, f"found {found}, expected {expected}"
        pause.wait(PAUSE_SECONDS)
