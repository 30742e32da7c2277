"""How often a client of ours asks a validator that does not answer (docs/decisions/0047)."""

from contextlib import AsyncExitStack

import pytest

from catenula.transport.calls import CallStatus, StatusCode
from catenula.transport.grpc_client import GrpcNode, GrpcOptions, GrpcProvider
from tests.network.support import asynchronous
from tests.transport.scripted_service import ScriptedService, scripted_port

RETRIES = 3
HASTY = GrpcOptions(retry_delay_seconds=0.001, max_backoff_seconds=0.01, max_retries=RETRIES)
BUSY = CallStatus(StatusCode.UNAVAILABLE, "the worker is being started again")


async def attempts(service: ScriptedService, node: GrpcNode) -> int:
    """How many requests arrive for a call that fails."""
    before = len(service.requests)
    with pytest.raises(CallStatus):
        await node.get_version_info()
    return len(service.requests) - before


@asynchronous
async def test_a_validator_that_was_given_up_is_asked_once_until_it_answers() -> None:
    async with AsyncExitStack() as stack:
        server, service = await stack.enter_async_context(scripted_port())
        other_server, other = await stack.enter_async_context(scripted_port())
        provider = GrpcProvider(HASTY)
        stack.push_async_callback(provider.close)
        node = provider.connect_to(f"grpc:127.0.0.1:{server.port}")
        service.answer = other.answer = BUSY
        assert await attempts(service, node) == 1 + RETRIES
        again = provider.connect_to(f"grpc:127.0.0.1:{server.port}")
        assert await attempts(service, again) == 1, "another handle of the same validator"
        assert await attempts(
            other, provider.connect_to(f"grpc:127.0.0.1:{other_server.port}")
        ) == (1 + RETRIES), "of other validators nothing is known"
        service.answer = b""
        await node.get_version_info()
        service.answer = BUSY
        assert await attempts(service, node) == 1 + RETRIES


@asynchronous
async def test_a_refusal_is_not_tried_again_and_gives_nobody_up() -> None:
    async with scripted_port() as (server, service):
        provider = GrpcProvider(HASTY)
        node = provider.connect_to(f"grpc:127.0.0.1:{server.port}")
        service.answer = CallStatus(StatusCode.INVALID_ARGUMENT, "no")
        with pytest.raises(Exception, match="no"):
            await node.get_version_info()
        assert len(service.requests) == 1
        assert not provider.given_up
        await provider.close()
