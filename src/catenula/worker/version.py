"""The version this implementation reports to clients (spec 06 §8.6).

The protocol line is 0.15; reporting its lowest compatible patch satisfies every client of the line.
"""

from catenula.base.integers import U32
from catenula.protocol import CrateVersion, VersionInfo

VERSION_INFO = VersionInfo(
    crate_version=CrateVersion(U32(0), U32(15), U32(0)),
    git_commit="",
    git_dirty=False,
    rpc_hash="e/NuQLL2/mszXqmWtKFLtEZFzNFucMnwu0cqLYnn1Fo",
    graphql_hash="JKcKZ396jvqAUufm0H4wEneKppe+c8npDc+Evs99fqk",
    wit_hash="LBDK3ZORkwFJX1WI+P0neR3xZNtvhufYjvfROgBR3QM",
)
