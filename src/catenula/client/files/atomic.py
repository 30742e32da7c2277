"""Writing small files so that a crash leaves the old or the new content, never half of either.

The new content goes to a file of its own, reaches the disk, and takes the old one's name; the
directory reaches the disk too. Writers of one file take turns by a lock on ``<name>.lock``, which
is never replaced, so that it locks the name and not one of its contents.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catenula.base.errors import LocalError
from catenula.storage.durable import sync_folder

SECRET_MODE = 0o600
"""Only the owner reads files with secrets, and the wallet, which says who owns what."""

PUBLIC_MODE = 0o644


def write_atomically(path: Path, content: bytes, *, mode: int = SECRET_MODE) -> None:
    """Replace the file's content durably; `LocalError` when the disk refuses."""
    unfinished = path.with_name(f"{path.name}.new")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        try:
            os.fchmod(descriptor, mode)
            with open(descriptor, "wb", closefd=False) as file:
                file.write(content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(unfinished, path)
        sync_folder(path.parent)
    except OSError as error:
        raise LocalError(f"{path} could not be written: {error.strerror}", retryable=False) from (
            error
        )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be the only writer of ``path`` among all processes that lock it so."""
    lock = path.with_name(f"{path.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, SECRET_MODE)
    except OSError as error:
        raise LocalError(f"{lock} could not be opened: {error.strerror}", retryable=False) from (
            error
        )
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def read_file(path: Path, what: str, next_step: str) -> bytes:
    """The content of a file that must exist and not be empty; `LocalError` that says what to do."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
    except OSError as error:
        raise LocalError(
            f"the {what} {path} cannot be read: {error.strerror}", retryable=False
        ) from error
    if not content:
        raise LocalError(
            f"the {what} {path} is empty or does not exist; {next_step}", retryable=False
        )
    return content
