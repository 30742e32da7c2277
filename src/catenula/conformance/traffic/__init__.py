"""``conformance traffic``: recorded requests to validators, played through ours.

Every validator of a run is played by itself, from genesis, with the clock of the recording; what it
replies is compared field by field with what the reference's validator replied.
"""

from catenula.conformance.traffic.run import run_traffic

__all__ = ["run_traffic"]
