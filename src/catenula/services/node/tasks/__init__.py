"""Work outside of chains that applications ask for (spec 08 §2.8).

Entry point: `TaskProcessors`, which runs the tasks of applications and follows a controller.
"""

from catenula.services.node.tasks.operators import Operators
from catenula.services.node.tasks.processors import TaskProcessors
from catenula.services.node.tasks.settings import TaskSettings

__all__ = ["Operators", "TaskProcessors", "TaskSettings"]
