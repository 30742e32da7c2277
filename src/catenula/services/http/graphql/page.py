"""The page on which a person tries out a GraphQL interface; it loads nothing from elsewhere."""

from functools import cache
from pathlib import Path

from catenula.services.http.messages import Request, Response

_PAGE = Path(__file__).parent.parent / "assets" / "graphql.html"


@cache
def _page() -> bytes:
    return _PAGE.read_bytes()


async def show_page(_request: Request) -> Response:
    """GET: an editor for the interface that answers at the same address by POST."""
    return Response.html(_page())
