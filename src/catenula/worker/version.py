"""The version this implementation reports to clients, and which ones it understands (spec 06 §8.6).

It reports the version of the reference whose bytes it produces; every client of that patch or a
later one accepts it.
"""

from catenula.base.integers import U32
from catenula.protocol import CrateVersion, VersionInfo

VERSION_INFO = VersionInfo(
    crate_version=CrateVersion(U32(0), U32(15), U32(21)),
    git_commit="v0.15.21",
    git_dirty=False,
    rpc_hash="e/NuQLL2/mszXqmWtKFLtEZFzNFucMnwu0cqLYnn1Fo",
    graphql_hash="JKcKZ396jvqAUufm0H4wEneKppe+c8npDc+Evs99fqk",
    wit_hash="LBDK3ZORkwFJX1WI+P0neR3xZNtvhufYjvfROgBR3QM",
)

NEWEST_UNDERSTOOD_PATCH = 23
"""Up to here the protocol line 0.15 is known to be unchanged (spec 06 §2.7)."""


def is_compatible(version: VersionInfo) -> bool:
    """Whether this implementation understands what a node of this version says."""
    ours, theirs = VERSION_INFO, version.crate_version
    if (ours.rpc_hash, ours.graphql_hash, ours.wit_hash) == (
        version.rpc_hash,
        version.graphql_hash,
        version.wit_hash,
    ):
        return True
    line = (ours.crate_version.major, ours.crate_version.minor)
    return (theirs.major, theirs.minor) == line and theirs.patch <= NEWEST_UNDERSTOOD_PATCH
