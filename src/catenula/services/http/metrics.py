"""What a service counts, as Prometheus reads it over HTTP.

prometheus_client is imported only by who counts.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from catenula.services.http.application import HttpApplication
from catenula.services.http.messages import Request, Response

WriteMetrics = Callable[[], bytes]
"""Writes all metrics in the text format of Prometheus."""

_T = TypeVar("_T")
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def counting(make: Callable[[Any, Any], _T]) -> tuple[_T, WriteMetrics]:
    """Metrics of their own registry, and what writes them.

    ``make`` gets the library prometheus_client and the registry.
    """
    import prometheus_client

    registry = prometheus_client.CollectorRegistry()
    return make(prometheus_client, registry), lambda: prometheus_client.generate_latest(registry)


def metrics_application(write: WriteMetrics) -> HttpApplication:
    """What a metrics port answers: ``/metrics``."""

    async def show(_request: Request) -> Response:
        return Response(200, write(), _CONTENT_TYPE)

    application = HttpApplication()
    application.route("GET", "/metrics", show)
    return application
