"""What the commit helper and its owner say to each other, on sockets that keep packets apart.

- Control channel, to the helper: the path of a file, with the descriptors of a *store channel* and
  an *asking channel* for it and of its owner's lock.
- Store channel, to the helper: the groups of one commit (`catenula.storage.commit_log.pack`); from
  the helper, once it is durable: `ANSWER`. One commit at a time.
- Asking channel, to the helper: a number (`QUESTION`); from the helper, when all commits that were
  sent before are in the file: the same number.
"""

import struct

MAX_PATH_BYTES = 4096
DESCRIPTORS = 3

ANSWER = struct.Struct("=d?")
"""The seconds a commit took, and whether it is in the log only."""
QUESTION = struct.Struct("=Q")
