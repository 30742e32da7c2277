"""Messages of the public gRPC interface from and to domain values (spec 01 §7.2, appendix B).

This package knows protobuf and no gRPC. It decides nothing about the protocol: what it reads may
be wrong in every way that a value of the right type can be.
"""

from catenula.transport.messages.certificates import RawCertificate
from catenula.transport.messages.conversions import (
    MalformedMessage,
    Request,
    convertible_messages,
    from_proto_bytes,
    read_request,
    to_proto_bytes,
)

__all__ = [
    "MalformedMessage",
    "RawCertificate",
    "Request",
    "convertible_messages",
    "from_proto_bytes",
    "read_request",
    "to_proto_bytes",
]
