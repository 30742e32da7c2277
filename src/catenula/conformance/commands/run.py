"""Playing recorded sessions, several at once in processes of their own."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from catenula.conformance.commands.player import Invoke, SessionPlayer
from catenula.conformance.commands.recording import find_sessions, read_session
from catenula.conformance.parallel import run_parts
from catenula.conformance.report import Report


def run_commands(paths: Iterable[Path], invoke: Invoke, *, processes: int | None = None) -> Report:
    """Play all sessions at ``paths``: folders of runs, or folders of those.

    ``invoke`` runs one command; it is sent to other processes. Uses as many processes as there are
    processors, or as said. Raises `LocalError` for paths without commands and unreadable files.
    """
    folders = find_sessions(path.absolute() for path in paths)
    return run_parts(_play, [(folder, invoke) for folder in folders], processes=processes)


def _play(folder: Path, invoke: Invoke) -> Report:
    session = read_session(folder)
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="catenula-commands-") as name:
        os.chdir(name)
        try:
            player = SessionPlayer(session, Path(name), invoke)
            player.play()
        finally:
            os.chdir(before)
    return player.report
