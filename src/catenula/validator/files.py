"""Files with secrets: written whole, readable by their owner only, on disk when it returns."""

import os
import tempfile
from pathlib import Path

from catenula.base.errors import LocalError
from catenula.storage.durable import sync_folder

SECRET_MODE = 0o600
FOLDER_MODE = 0o700


def write_private_file(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` in one step, durably, with mode 0600.

    Readers see the old or the new content, never a part. Raises `LocalError` when the disk refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), SECRET_MODE)
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise LocalError(
            f"{path} cannot be written: {error.strerror}; check the folder and its permissions",
            retryable=False,
            path=str(path),
        ) from error


def read_text_file(path: Path, what: str) -> str:
    """The text of a file; `LocalError` that says what it should have been."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise LocalError(
            f"{what} cannot be read from {path}: {reason}", retryable=False, path=str(path)
        ) from error
