"""``POST /chains/{chain}/applications/{application}``: a question to an application (spec 08 §2.5).

The body goes to the application as it is, and its answer comes back as it is.
"""

import logging

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ApplicationId, ChainId
from catenula.services.http.messages import Request, Response, json_bytes
from catenula.services.node.errors import ServiceRefusal
from catenula.services.node.identifiers import BadDigits, parse_hash
from catenula.services.node.service import READ_ONLY, NodeService

_LOGGER = logging.getLogger(__name__)
_BYTES = "application/octet-stream"
_TEXT = "text/plain; charset=utf-8"


async def answer_application(service: NodeService, request: Request) -> Response:
    """The application's answer, or the hash of the block with the operations it wanted.

    Every error is answered with its text; bugs are logged besides.
    """
    try:
        chain_id = parse_hash(ChainId, request.parameters["chain"])
    except BadDigits as error:
        return _failed(400, f"malformed chain ID: {error.message()}")
    try:
        application_id = parse_hash(ApplicationId, request.parameters["application"])
    except BadDigits as error:
        return _failed(400, f"Invalid hexadecimal: {error.message()}")
    try:
        request.body.decode()
    except UnicodeDecodeError:
        return Response.text("Request body didn't contain valid UTF-8", 400)
    try:
        answer = await service.query_application(chain_id, application_id, request.body)
    except ServiceRefusal as refusal:
        return _failed(403 if refusal.code == READ_ONLY else 500, refusal.message())
    except (ProtocolError, LocalError) as error:
        return _failed(500, str(error))
    return Response(200, answer, _BYTES)


def _failed(status: int, text: str) -> Response:
    return Response(status, json_bytes({"error": text}), _TEXT)
