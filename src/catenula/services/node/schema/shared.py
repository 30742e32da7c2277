"""What operations and messages have in common: a user's or the protocol's, and moving tokens.

Both are of the protocol itself or for an application, which alone knows what the bytes mean.
"""

from collections.abc import Callable
from typing import Any

from catenula.base.integers import format_amount
from catenula.services.http.graphql.api import Resolver
from catenula.services.node.schema.declaring import Field, json_of, read, text_of


def of_kind(*kinds: type[Any]) -> Resolver:
    """The value itself where it is one of these kinds, else null."""
    return read(lambda value: value if isinstance(value, kinds) else None)


def amount_of(name: str) -> Resolver:
    """An attribute that is an amount, as a decimal text."""
    return read(lambda value: format_amount(getattr(value, name)))


def user_or_system(
    user: type[Any], system: Field, *, application: str, content: str
) -> tuple[Field, ...]:
    """The fields of what may be the class ``user``; ``system`` is the one for everything else.

    ``application`` and ``content`` say what the user's two parts mean.
    """

    def of_user(show: Callable[[Any], Any]) -> Resolver:
        return read(lambda value: show(value) if isinstance(value, user) else None)

    return (
        Field(
            system.name.removeprefix("system").lower() + "Type",
            "String!",
            "`System` or `User`.",
            read(lambda value: "User" if isinstance(value, user) else "System"),
        ),
        Field(
            "applicationId",
            "ApplicationId",
            application,
            of_user(lambda value: str(value.application_id)),
        ),
        Field("userBytesHex", "String", content, of_user(lambda value: value.bytes.hex())),
        system._replace(resolve=read(lambda value: None if isinstance(value, user) else value)),
    )


OWNER = Field("owner", "AccountOwner!", "Whose they are.", text_of("owner"))
AMOUNT = Field("amount", "Amount!", "How many.", amount_of("amount"))
RECIPIENT = Field("recipient", "Account!", "Who gets them.", json_of("recipient"))
"""Fields of what moves tokens."""
