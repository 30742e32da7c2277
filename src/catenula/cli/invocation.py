"""Running a command inside this process, as if it were one of its own.

For the playing of recorded commands: hundreds of them, each of which would cost a start of the
interpreter. Its voices are caught; nothing else of the process is changed.
"""

import io
import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout

from catenula.cli.main import main
from catenula.conformance.commands.player import Outcome

_CRASHED = 70


def invoke(arguments: Sequence[str], given: str) -> Outcome:
    """Run ``catenula`` with these arguments; ``given`` is its input."""
    output, errors = io.StringIO(), io.StringIO()
    before, sys.stdin = sys.stdin, io.StringIO(given)
    try:
        with redirect_stdout(output), redirect_stderr(errors):
            status = _run(arguments)
    finally:
        sys.stdin = before
    return Outcome(status, output.getvalue(), errors.getvalue())


def _run(arguments: Sequence[str]) -> int:
    try:
        main.main(args=list(arguments), prog_name="catenula")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:  # noqa: BLE001  # The boundary of a process: it would end here.
        traceback.print_exc()
        return _CRASHED
    return 0
