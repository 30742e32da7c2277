"""Settings of a node service (spec 08 §2.1)."""

from collections.abc import Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from catenula.base.errors import LocalError
from catenula.client.options import ListenerOptions
from catenula.services.node.tasks.settings import TaskSettings

DEFAULT_PORT = 8080


class NodeServiceOptions(Struct, frozen=True):
    """All settings.

    Port 0 takes any free port; without a metrics port there are no metrics. ``query_cache_size``
    answers of applications are kept per chain, none by default. ``subscriptions`` are the queries
    that may be subscribed to, each a document with one named query; ``subscription_ttls`` delay
    their repetition, in seconds by name. With a ``token`` requests must bear it. ``pause`` keeps
    the service from listening to validators. A service that is ``read_only`` makes no blocks.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    read_only: bool = False
    query_cache_size: int = 0
    subscriptions: tuple[str, ...] = ()
    subscription_ttls: Mapping[str, float] = field(default_factory=dict)
    token: str | None = None
    pause: bool = False
    metrics_port: int | None = None
    listener: ListenerOptions = field(default_factory=ListenerOptions)
    tasks: TaskSettings = field(default_factory=TaskSettings)

    def __post_init__(self) -> None:
        """Raise `LocalError` for tasks of a service that makes no blocks: they become some."""
        if self.read_only and self.tasks.is_used:
            raise LocalError("A service that only reads cannot carry out tasks.", retryable=False)

    @property
    def listening(self) -> ListenerOptions:
        """How chains are listened to: taking in messages would make blocks."""
        return replace(self.listener, skip_process_inbox=True) if self.read_only else self.listener
