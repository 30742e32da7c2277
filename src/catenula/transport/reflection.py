"""`grpc.reflection.v1` on the public port (spec 06 §3.5): the interface, told to curious tools."""

from collections.abc import AsyncIterator, Callable, Iterator
from functools import lru_cache
from typing import Any

from catenula.transport.calls import METHODS, PUBLIC_SERVICE, CallStatus, MethodKind, StatusCode
from catenula.transport.endpoints import Endpoint
from catenula.transport.health import health_file_descriptor
from catenula.transport.messages.table import (
    file_descriptor,
    message_classes,
    public_file_descriptor,
)

REFLECTION_SERVICE = "grpc.reflection.v1.ServerReflection"

_TABLE = {
    "ExtensionRequest": "1 containing_type string, 2 extension_number int32",
    "ServerReflectionRequest": (
        "1 host string, 3 file_by_filename string|, 4 file_containing_symbol string|,"
        "5 file_containing_extension ExtensionRequest|, 6 all_extension_numbers_of_type string|,"
        "7 list_services string|"
    ),
    "FileDescriptorResponse": "1 file_descriptor_proto bytes*",
    "ExtensionNumberResponse": "1 base_type_name string, 2 extension_number int32*",
    "ServiceResponse": "1 name string",
    "ListServiceResponse": "1 service ServiceResponse*",
    "ErrorResponse": "1 error_code int32, 2 error_message string",
    "ServerReflectionResponse": (
        "1 valid_host string, 2 original_request ServerReflectionRequest,"
        "4 file_descriptor_response FileDescriptorResponse|,"
        "5 all_extension_numbers_response ExtensionNumberResponse|,"
        "6 list_services_response ListServiceResponse|, 7 error_response ErrorResponse|"
    ),
}


def _public_file() -> Any:
    file = public_file_descriptor()
    service = file.service.add(name=PUBLIC_SERVICE.rpartition(".")[2])
    for row in METHODS.values():
        is_stream = row.kind is MethodKind.STREAM
        method = service.method.add(name=row.name, server_streaming=is_stream)
        method.input_type = f".{file.package}.{row.request}"
        method.output_type = f".{file.package}.{row.response}"
    return file


def _reflection_file() -> Any:
    package, _, name = REFLECTION_SERVICE.rpartition(".")
    file = file_descriptor("grpc/reflection/v1/reflection.proto", package, _TABLE, enums={})
    method = file.service.add(name=name).method.add(name="ServerReflectionInfo")
    method.client_streaming = method.server_streaming = True
    method.input_type = f".{package}.ServerReflectionRequest"
    method.output_type = f".{package}.ServerReflectionResponse"
    return file


class _Catalogue:
    """The descriptors that are told about: files by name and by the symbols in them."""

    def __init__(self) -> None:
        files = (_public_file(), health_file_descriptor(), _reflection_file())
        self.files = {file.name: file.SerializeToString() for file in files}
        self.file_of = {symbol: file.name for file in files for symbol in _symbols(file)}
        self.services = sorted(
            f"{file.package}.{service.name}" for file in files for service in file.service
        )
        self.classes = message_classes(_reflection_file(), _TABLE)


def _symbols(file: Any) -> Iterator[str]:
    for item in (*file.message_type, *file.enum_type):
        yield f"{file.package}.{item.name}"
    for service in file.service:
        yield f"{file.package}.{service.name}"
        yield from (f"{file.package}.{service.name}.{method.name}" for method in service.method)


@lru_cache(maxsize=1)
def _catalogue() -> _Catalogue:
    return _Catalogue()


def _answer(request: bytes) -> bytes:
    from google.protobuf.message import DecodeError

    classes = _catalogue().classes
    message = classes["ServerReflectionRequest"]()
    try:
        message.ParseFromString(request)
    except DecodeError as error:
        text = "failed to decode Protobuf message: ServerReflectionRequest"
        raise CallStatus(StatusCode.INTERNAL, text) from error
    response = classes["ServerReflectionResponse"](
        valid_host=message.host, original_request=message
    )
    fill = _ANSWERS.get(message.WhichOneof("inner") or "")
    if fill is None:
        raise CallStatus(StatusCode.INVALID_ARGUMENT, "the request asks for nothing")
    fill(message, response)
    data: bytes = response.SerializeToString()
    return data


def _list_services(message: Any, response: Any) -> None:
    for name in _catalogue().services:
        response.list_services_response.service.add(name=name)


def _file_by_name(message: Any, response: Any) -> None:
    _put_file(message.file_by_filename, response)


def _file_of_symbol(message: Any, response: Any) -> None:
    symbol = message.file_containing_symbol
    _put_file(_catalogue().file_of.get(symbol, symbol), response)


def _put_file(name: str, response: Any) -> None:
    content = _catalogue().files.get(name)
    if content is None:
        response.error_response.error_code = StatusCode.NOT_FOUND
        response.error_response.error_message = f"{name!r} is not known here"
    else:
        response.file_descriptor_response.file_descriptor_proto.append(content)


def _no_extensions(message: Any, response: Any) -> None:
    response.error_response.error_code = StatusCode.NOT_FOUND
    response.error_response.error_message = "there are no extensions here"


_ANSWERS: dict[str, Callable[[Any, Any], None]] = {
    "list_services": _list_services,
    "file_by_filename": _file_by_name,
    "file_containing_symbol": _file_of_symbol,
    "file_containing_extension": _no_extensions,
    "all_extension_numbers_of_type": _no_extensions,
}


async def _converse(requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for request in requests:
        yield _answer(request)


def reflection_endpoints() -> dict[str, Endpoint]:
    """The one method of the service, by path."""
    return {f"/{REFLECTION_SERVICE}/ServerReflectionInfo": Endpoint(conversation=_converse)}
