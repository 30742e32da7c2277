"""``python -m catenula.validator.supervise``: a supervisor that is told what to run on stdin.

Commands and events are lines of JSON (`catenula.validator.supervisor` is the other side). When
stdin ends, so does everything that was started.
"""

import json
import os
import sys
from typing import Any

from catenula.validator.configuration import LogOptions
from catenula.validator.logs import set_up_logs
from catenula.validator.process_tree import ProcessTree, warm_up


def emit(event: dict[str, Any]) -> None:
    """An event as a line on stdout."""
    data = json.dumps(event).encode() + b"\n"
    while data:
        data = data[os.write(sys.stdout.fileno(), data) :]


def main() -> None:
    """Serve commands until stdin ends."""
    form, level = sys.argv[1:3]
    set_up_logs(LogOptions(form, level))
    warm_up()
    ProcessTree(emit).run(sys.stdin.fileno())


if __name__ == "__main__":
    main()
