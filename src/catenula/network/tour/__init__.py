"""The tour: what the network can do, step by step, each claim checked on the validators.

`run_tour` plays it; `Narrator` tells it. ``catenula tour`` is the command.
"""

from catenula.network.tour.report import Claim, Narrator, Report, Step
from catenula.network.tour.tour import run_tour

__all__ = ["Claim", "Narrator", "Report", "Step", "run_tour"]
