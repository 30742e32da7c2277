"""Programs that carry out tasks: input on stdin, output from stdout (spec 08 §2.8).

A program has a time and its output a size; it is killed when it exceeds one of them or when nobody
waits for it any more. The machine's environment is handed on: operators find their secrets there.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from catenula.base.errors import LocalError
from catenula.base.limits import (
    MAX_OPERATOR_OUTPUT_BYTES,
    MAX_OPERATOR_SECONDS,
    MAX_OPERATORS_AT_ONCE,
)

_SHOWN_LETTERS = 300
_PART_BYTES = 1 << 16
_ENDING_SECONDS = 5.0


class Operators:
    """The programs by the names that applications use; a few run at a time."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._paths = dict(paths)
        self._places = asyncio.Semaphore(MAX_OPERATORS_AT_ONCE)

    async def run(self, name: str, given: str) -> str:
        """What the program prints for an input; `LocalError` when it is unknown or fails."""
        path = self._paths.get(name)
        if path is None:
            known = ", ".join(sorted(self._paths)) or "none"
            raise LocalError(
                f"no program is known for the operator {name!r} (known: {known}); name one with "
                f"--operators {name}=PATH",
                retryable=False,
            )
        async with self._places:
            return await _run(name, path, given.encode())


async def _run(name: str, path: Path, given: bytes) -> str:
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            path, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
        )
    except OSError as error:
        raise LocalError(
            f"the operator {name} cannot be started from {path}: {error.strerror or error}",
            retryable=False,
        ) from error
    talking = asyncio.create_task(_talk(process, given))
    try:
        async with asyncio.timeout(MAX_OPERATOR_SECONDS):
            output, errors = await asyncio.shield(talking)
    except TimeoutError as error:
        raise LocalError(
            f"the operator {name} took more than {MAX_OPERATOR_SECONDS:g} s and was ended",
            retryable=True,
        ) from error
    finally:
        _kill(process)
        await asyncio.wait((talking,), timeout=_ENDING_SECONDS)
    return _checked(name, process.returncode, output, errors)


def _kill(process: asyncio.subprocess.Process) -> None:
    """End the program and what it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def _talk(process: asyncio.subprocess.Process, given: bytes) -> tuple[bytes, bytes]:
    """All that the program says, once it has ended."""
    feeding = asyncio.create_task(_feed(process.stdin, given))
    output, errors = await asyncio.gather(
        _bounded(process, process.stdout), _bounded(process, process.stderr)
    )
    await process.wait()
    await feeding
    return output, errors


async def _feed(stream: asyncio.StreamWriter | None, given: bytes) -> None:
    if stream is None:
        return
    # A program need not read its input.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.write(given)
        await stream.drain()
    stream.close()


async def _bounded(
    process: asyncio.subprocess.Process, stream: asyncio.StreamReader | None
) -> bytes:
    """Everything; a program that says more than is allowed is ended, and the rest dropped."""
    found = bytearray()
    while stream is not None:
        part = await stream.read(_PART_BYTES)
        if not part:
            break
        if len(found) > MAX_OPERATOR_OUTPUT_BYTES:
            _kill(process)
        else:
            found += part
    return bytes(found)


def _checked(name: str, status: int | None, output: bytes, errors: bytes) -> str:
    if len(output) > MAX_OPERATOR_OUTPUT_BYTES:
        raise LocalError(
            f"the operator {name} printed more than {MAX_OPERATOR_OUTPUT_BYTES} bytes",
            retryable=False,
        )
    if status != 0:
        said = errors.decode("utf-8", "replace").strip()[-_SHOWN_LETTERS:]
        raise LocalError(
            f"the operator {name} ended with status {status}{': ' if said else ''}{said}",
            retryable=True,
        )
    try:
        return output.decode()
    except UnicodeDecodeError as error:
        raise LocalError(
            f"the operator {name} printed something else than UTF-8", retryable=False
        ) from error
