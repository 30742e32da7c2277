"""What a node service tells without being asked each time (spec 08 §2.4)."""

from collections.abc import AsyncIterator
from typing import Any

from catenula.base.codec import codec_of
from catenula.protocol import Notification
from catenula.services.http.graphql.api import Subscriber
from catenula.services.node.schema.declaring import Field, record
from catenula.services.node.service import NodeService

_NOTIFICATION = codec_of(Notification)


async def _notifications(service: NodeService, arguments: dict[str, Any]) -> AsyncIterator[Any]:
    async for notification in service.notifications(arguments["chainId"]):
        yield _NOTIFICATION.to_json(notification)


def _query_result(service: NodeService, arguments: dict[str, Any]) -> AsyncIterator[Any]:
    return service.watched.results(
        arguments["name"], arguments["chainId"], arguments["applicationId"]
    )


SUBSCRIPTIONS = (
    record(
        "SubscriptionRoot",
        "What is told as it happens.",
        Field(
            "notifications(chainId: ChainId!)",
            "Notification!",
            "What happens to a chain.",
        ),
        Field(
            "queryResult(name: String!, chainId: ChainId!, applicationId: ApplicationId!)",
            "JSON!",
            "The answer of an application to a registered query, each time it changes.",
        ),
    ),
)
"""All types of this part of the interface."""

SUBSCRIBERS: dict[str, Subscriber] = {
    "notifications": _notifications,
    "queryResult": _query_result,
}
