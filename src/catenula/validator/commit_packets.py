"""What the commit helper and its owner say to each other, on sockets that keep packets apart.

- Control channel, to the helper: the path of a file, with the descriptors of a *store channel* for
  it and of its owner's lock.
- Store channel, to the helper: the groups of one commit (`pack`); from the helper: the seconds it
  took (`SECONDS`), once it is durable. One commit at a time.
"""

import struct
from collections.abc import Sequence

from catenula.storage.batch import Batch
from catenula.storage.engine import Group
from catenula.validator.helper_process import packed, unpacked

MAX_PATH_BYTES = 4096

SECONDS = struct.Struct("=d")
"""The packet that says how long a commit took."""


def pack(groups: Sequence[Group]) -> bytes:
    """The packet of one commit."""
    return packed([(root, batch.operations) for root, batch in groups])


def unpack(packet: bytes) -> list[Group]:
    """The groups of one commit."""
    return [(root, Batch(operations)) for root, operations in unpacked(packet)]
