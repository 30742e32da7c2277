"""The request handlers of a node, one chain at a time (spec 06 §4).

A handler is synchronous: it loads, checks and executes, and returns what must be written, the
reply and the effects. It never writes, sends or waits; the driver in `catenula.validator` does.
"""

from catenula.worker.config import ProcessMode, WorkerConfig
from catenula.worker.errors import to_node_error
from catenula.worker.genesis import initialize_store
from catenula.worker.outcome import Actions, Outcome
from catenula.worker.staging import StagedBlock
from catenula.worker.worker import Worker

__all__ = [
    "Actions",
    "Outcome",
    "ProcessMode",
    "StagedBlock",
    "Worker",
    "WorkerConfig",
    "initialize_store",
    "to_node_error",
]
