"""Requests to a validator that touch applications, for tests that break them off.

One application does everything that leaves a trace: it writes, emits, creates a blob, sends a
tracked message, calls another application, and listens to a stream.
"""

from collections.abc import Callable

import pytest

from catenula.base.compression import compress
from catenula.base.identifiers import ApplicationId
from catenula.base.integers import U32
from catenula.execution.applications import StreamUpdate
from catenula.execution.errors import BlobsNotFound
from catenula.execution.runtime import ContractRuntime, SendMessageRequest
from catenula.protocol import (
    BlobContent,
    BlobType,
    CreateApplication,
    MessageAction,
    ModuleId,
    PublishModule,
    StreamId,
    StreamName,
    UpdateStreams,
    UserOperation,
    VmRuntime,
)
from catenula.storage import Batch
from catenula.testing.tiny_network import TinyNetwork
from catenula.testing.tiny_node import TinyNode
from tests.execution.scripted import COUNTER, scripted

Request = Callable[[TinyNode], object]

BUSY_BYTECODE = (
    BlobContent(BlobType.CONTRACT_BYTECODE, compress(b"contract")),
    BlobContent(BlobType.SERVICE_BYTECODE, compress(b"service")),
)
COUNTER_BYTECODE = (
    BlobContent(BlobType.CONTRACT_BYTECODE, compress(b"counter")),
    BlobContent(BlobType.SERVICE_BYTECODE, compress(b"service")),
)
STREAM = b"feed"


def _module_id(bytecode: tuple[BlobContent, ...]) -> ModuleId:
    return ModuleId(bytecode[0].hash, bytecode[1].hash, VmRuntime.WASM)


class Stage:
    """A network whose first chain publishes the modules, and whose nodes know them."""

    def __init__(self, network: TinyNetwork) -> None:
        self.network = network
        self.creator, self.other, _ = network.chain_ids
        self.counter = ApplicationId(bytes(32))
        busy = scripted(operation=self._operate, message=_keep, streams=self._listen)
        for node in (network.client, *network.nodes):
            node.applications.register(_module_id(BUSY_BYTECODE), busy)
            node.applications.register(_module_id(COUNTER_BYTECODE), COUNTER)

    def _operate(self, runtime: ContractRuntime, operation: bytes) -> bytes:
        if operation == b"follow":
            runtime.subscribe_to_events(self.creator, runtime.application_id(), STREAM)
            return b"followed"
        _keep(runtime, operation)
        runtime.emit(STREAM, operation)
        runtime.create_data_blob(b"made from " + operation)
        runtime.send_message(SendMessageRequest(self.other, operation, is_tracked=True))
        return runtime.call_application(self.counter, b"\x01", authenticated=True)

    def _listen(self, runtime: ContractRuntime, updates: tuple[StreamUpdate, ...]) -> None:
        for update in updates:
            for index in range(update.previous_index, update.next_index):
                _keep(runtime, runtime.read_event(update.chain_id, STREAM, index))

    def publish(self, bytecode: tuple[BlobContent, ...]) -> None:
        """Publish a module everywhere."""
        network = self.network
        operation = PublishModule(_module_id(bytecode))
        certificate = network.execute(self.creator, operation, blobs=bytecode)
        network.node.store_blobs(*bytecode)
        network.node.confirm(certificate)

    def create(self, bytecode: tuple[BlobContent, ...]) -> ApplicationId:
        """Publish a module and create an application everywhere."""
        self.publish(bytecode)
        operation = CreateApplication(_module_id(bytecode), b"", b"", ())
        certificate = self.network.execute(self.creator, operation)
        self.network.node.confirm(certificate)
        return certificate.block.created_applications()[-1].application_id

    def deploy(self) -> ApplicationId:
        """Create the counter and the busy application."""
        self.counter = self.create(COUNTER_BYTECODE)
        return self.create(BUSY_BYTECODE)


def _keep(runtime: ContractRuntime, value: bytes) -> None:
    batch = Batch()
    batch.put(b"last", value)
    runtime.write_batch(batch)


def _proposal_to_publish(network: TinyNetwork) -> Request:
    """The validator has the bytecode as blobs of a pending block."""
    stage = Stage(network)
    draft = network.draft(stage.creator, PublishModule(_module_id(BUSY_BYTECODE)))
    proposal = network.sign(draft)
    with pytest.raises(BlobsNotFound):
        network.node.propose(proposal)
    for blob in BUSY_BYTECODE:
        network.node.upload(stage.creator, blob)
    return lambda node: node.propose(proposal)


def _published_module(network: TinyNetwork) -> Request:
    stage = Stage(network)
    operation = PublishModule(_module_id(BUSY_BYTECODE))
    certificate = network.execute(stage.creator, operation, blobs=BUSY_BYTECODE)
    network.node.store_blobs(*BUSY_BYTECODE)
    return lambda node: node.confirm(certificate)


def _creation(network: TinyNetwork) -> Request:
    stage = Stage(network)
    stage.publish(BUSY_BYTECODE)
    operation = CreateApplication(_module_id(BUSY_BYTECODE), b"", b"", ())
    certificate = network.execute(stage.creator, operation)
    return lambda node: node.confirm(certificate)


def _vote_on_an_operation(network: TinyNetwork) -> Request:
    stage = Stage(network)
    operation = UserOperation(stage.deploy(), b"value")
    proposal = network.sign(network.draft(stage.creator, operation))
    return lambda node: node.propose(proposal)


def _operation(network: TinyNetwork) -> Request:
    """The block is replayed with its recorded oracle responses."""
    stage = Stage(network)
    certificate = network.execute(stage.creator, UserOperation(stage.deploy(), b"value"))
    return lambda node: node.confirm(certificate)


def _operation_voted_for(network: TinyNetwork) -> Request:
    """The outcome that was staged for the vote is used."""
    stage = Stage(network)
    draft = network.draft(stage.creator, UserOperation(stage.deploy(), b"value"))
    network.node.propose(network.sign(draft))
    certificate = network.confirmed(network.stage(draft))
    return lambda node: node.confirm(certificate)


def _sent(network: TinyNetwork, stage: Stage) -> None:
    certificate = network.execute(stage.creator, UserOperation(stage.deploy(), b"value"))
    network.node.confirm(certificate)
    network.client.deliver()


def _message_delivered(network: TinyNetwork) -> Request:
    _sent(network, Stage(network))
    (request,) = network.node.mail
    network.node.mail.clear()
    return lambda node: node.cross_chain(request)


def _message(network: TinyNetwork, action: MessageAction = MessageAction.ACCEPT) -> Request:
    """The first use of the application on the recipient's chain."""
    stage = Stage(network)
    _sent(network, stage)
    network.node.deliver()
    bundles = network.incoming(stage.other, action)
    certificate = network.execute(stage.other, *bundles)
    return lambda node: node.confirm(certificate)


def _message_rejected(network: TinyNetwork) -> Request:
    """The message bounces."""
    return _message(network, MessageAction.REJECT)


def _events_processed(network: TinyNetwork) -> Request:
    stage = Stage(network)
    busy = stage.deploy()
    followed = network.execute(stage.other, UserOperation(busy, b"follow"))
    network.node.confirm(followed)
    network.node.confirm(network.execute(stage.creator, UserOperation(busy, b"value")))
    stream = StreamId.user(busy, StreamName(STREAM))
    update = UpdateStreams(((stage.creator, stream, U32(1)),))
    certificate = network.execute(stage.other, update)
    return lambda node: node.confirm(certificate)


APPLICATION_REQUESTS: dict[str, Callable[[TinyNetwork], Request]] = {
    "proposal to publish a module": _proposal_to_publish,
    "block that publishes a module": _published_module,
    "block that creates an application": _creation,
    "vote on an operation of an application": _vote_on_an_operation,
    "block with an operation of an application": _operation,
    "block with an operation that was voted for": _operation_voted_for,
    "delivery of an application's message": _message_delivered,
    "block that takes in an application's message": _message,
    "block that rejects an application's message": _message_rejected,
    "block that processes events": _events_processed,
}
