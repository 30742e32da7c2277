"""Blobs, modules and applications, and what their use records (spec 02 §9)."""

import pytest

from catenula.base.compression import compress, decompress
from catenula.base.identifiers import ApplicationId, CryptoHash
from catenula.base.integers import U32, U64, BlockHeight, Epoch
from catenula.execution.errors import BlobsNotFound, BlockRuleError, ExecutionError
from catenula.execution.runtime import ContractRuntime
from catenula.protocol import (
    ApplicationDescription,
    BlobContent,
    BlobId,
    BlobType,
    CreateApplication,
    ModuleId,
    OracleBlob,
    PublishDataBlob,
    PublishModule,
    ResourceControlPolicy,
    UserOperation,
    VerifyBlob,
    VmRuntime,
    data_blob,
)
from catenula.storage import Batch
from catenula.testing.execution_world import Chain, World
from tests.execution.scripted import COUNTER, create, install, read_counter, scripted


def uses(*blob_ids: BlobId) -> tuple[OracleBlob, ...]:
    return tuple(OracleBlob(blob_id) for blob_id in blob_ids)


def description_id(application_id: ApplicationId) -> BlobId:
    return BlobId(CryptoHash(application_id), BlobType.APPLICATION_DESCRIPTION)


def test_published_blobs_are_used_from_the_start_of_the_block(alice: Chain) -> None:
    blob = data_blob(b"hello")
    executed = alice.execute(PublishDataBlob(blob.hash), published=(blob,))
    assert executed.oracle_responses == ((),)
    assert executed.blobs == ((),)
    assert alice.state.system.used_blobs.contains(blob.id)


def test_a_block_carries_exactly_the_blobs_it_publishes(alice: Chain) -> None:
    blob, other = data_blob(b"hello"), data_blob(b"other")
    block = alice.propose(PublishDataBlob(blob.hash))
    with pytest.raises(BlobsNotFound):
        alice.try_run(block)
    with pytest.raises(BlockRuleError, match="InternalError"):
        alice.try_run(block, blob, other)


def test_the_first_verification_of_a_blob_is_recorded_once(world: World, alice: Chain) -> None:
    blob_id = world.add_blob(data_blob(b"hello"))
    executed = alice.execute(VerifyBlob(blob_id), VerifyBlob(blob_id))
    assert executed.oracle_responses == (uses(blob_id), ())


def test_a_blob_published_in_this_block_cannot_be_verified_yet(alice: Chain) -> None:
    blob = data_blob(b"hello")
    block = alice.propose(PublishDataBlob(blob.hash), VerifyBlob(blob.id))
    with pytest.raises(BlobsNotFound) as refusal:
        alice.try_run(block, blob)
    assert str(refusal.value.context) == "Operation(1)"


def test_creating_an_application_uses_its_bytecode_and_describes_it(
    world: World, alice: Chain
) -> None:
    module_id = world.add_module("counter", COUNTER)
    executed = alice.execute(CreateApplication(module_id, b"{}", b"\x07", ()))
    assert executed.oracle_responses == (uses(*module_id.bytecode_blob_ids()),)
    (blob,) = executed.blobs[0]
    assert ApplicationDescription.from_bcs(blob.bytes) == ApplicationDescription(
        module_id, alice.chain_id, BlockHeight(0), U32(0), b"{}", ()
    )
    assert executed.operation_results == (b"",)
    assert alice.state.system.used_blobs.contains(blob.id)
    store = alice.state.users.try_load(ApplicationId(blob.id.hash))
    assert store is not None
    assert read_counter(store.get(b"value")) == 7


def test_on_its_own_chain_an_application_is_known_elsewhere_its_first_use_is_recorded(
    world: World, alice: Chain, bob: Chain
) -> None:
    module_id = world.add_module("counter", COUNTER)
    app = create(alice, module_id)
    assert alice.execute(UserOperation(app, b"\x01")).oracle_responses == ((),)
    executed = bob.execute(UserOperation(app, b"\x01"), UserOperation(app, b"\x01"))
    assert executed.oracle_responses == (
        uses(description_id(app), *module_id.bytecode_blob_ids()),
        (),
    )
    assert executed.operation_results[1] == (2).to_bytes(8, "little")


def test_requirements_are_recorded_depth_first_in_their_order(
    world: World, alice: Chain, bob: Chain
) -> None:
    modules = [world.add_module(name, COUNTER) for name in "abcd"]
    deep = create(alice, modules[0])
    left = create(alice, modules[1], required=(deep,))
    right = create(alice, modules[2], required=(deep,))
    top = create(alice, modules[3], required=(left, right))
    executed = bob.execute(UserOperation(top, b"\x01"))
    expected: list[BlobId] = []
    for app, module_id in ((top, 3), (left, 1), (deep, 0), (right, 2)):
        expected += [description_id(app), *modules[module_id].bytecode_blob_ids()]
    assert executed.oracle_responses == (uses(*expected),)


def test_applications_created_in_one_block_have_indices_in_order(
    world: World, alice: Chain
) -> None:
    """Invariant E6."""
    module_id = world.add_module("counter", COUNTER)
    operation = CreateApplication(module_id, b"", b"", ())
    executed = alice.execute(operation, operation)
    indices = [
        ApplicationDescription.from_bcs(blobs[0].bytes).application_index
        for blobs in executed.blobs
    ]
    assert indices == [0, 1]


def test_an_application_runs_in_the_block_that_creates_it_without_oracle(
    world: World, alice: Chain
) -> None:
    module_id = world.add_module("counter", COUNTER)
    description = ApplicationDescription(module_id, alice.chain_id, BlockHeight(0), U32(0), b"", ())
    executed = alice.execute(
        CreateApplication(module_id, b"", b"\x01", ()),
        UserOperation(description.application_id, b"\x02"),
    )
    assert executed.oracle_responses[1] == ()
    assert executed.operation_results == (b"", (3).to_bytes(8, "little"))


def test_a_requirement_created_earlier_in_the_block_is_not_seen(world: World, alice: Chain) -> None:
    module_id = world.add_module("counter", COUNTER)
    first = ApplicationDescription(module_id, alice.chain_id, BlockHeight(0), U32(0), b"", ())
    block = alice.propose(
        CreateApplication(module_id, b"", b"", ()),
        CreateApplication(module_id, b"", b"", (first.application_id,)),
    )
    with pytest.raises(BlobsNotFound) as refusal:
        alice.try_run(block)
    assert refusal.value.blob_ids == (description_id(first.application_id),)


def test_a_failing_instantiation_fails_the_transaction(world: World, alice: Chain) -> None:
    def refuse(runtime: ContractRuntime, _: bytes) -> None:
        raise ExecutionError("UserError", reason="no")

    module_id = world.add_module("refusing", scripted(instantiate=refuse))
    with pytest.raises(ExecutionError, match="UserError"):
        alice.try_run(alice.propose(CreateApplication(module_id, b"", b"", ())))


def test_missing_bytecode_is_named_as_a_whole(world: World, alice: Chain) -> None:
    module_id = ModuleId(CryptoHash(b"\1" * 32), CryptoHash(b"\2" * 32), VmRuntime.WASM)
    with pytest.raises(BlobsNotFound) as refusal:
        alice.try_run(alice.propose(CreateApplication(module_id, b"", b"", ())))
    assert refusal.value.blob_ids == module_id.bytecode_blob_ids()


def test_the_id_of_an_evm_application_ends_in_zeros(world: World, alice: Chain) -> None:
    bytecode = BlobContent(BlobType.EVM_BYTECODE, b"evm")
    blob_id = world.add_blob(bytecode)
    module_id = ModuleId(blob_id.hash, blob_id.hash, VmRuntime.EVM)
    world.applications.register(module_id, COUNTER)
    app = create(alice, module_id)
    assert app.is_evm()
    assert alice.execute(UserOperation(app, b"\x01")).oracle_responses == ((),)


def test_created_blobs_are_sorted_by_type_and_hash_and_deduplicated(
    world: World, alice: Chain
) -> None:
    def publish(runtime: ContractRuntime, _: bytes) -> None:
        runtime.publish_module(b"contract", b"service", VmRuntime.WASM)
        for number in (3, 1, 2, 1):
            runtime.create_data_blob(bytes((number,)))

    app = install(world, alice, "publisher", scripted(operation=publish))
    (blobs,) = alice.execute(UserOperation(app, b"")).blobs
    ids = [blob.id for blob in blobs]
    assert ids == sorted(set(ids), key=BlobId.order_key)
    assert [blob.blob_type for blob in blobs] == [0, 0, 0, 1, 2]
    assert decompress(blobs[3].bytes, 100) == b"contract"
    assert not any(alice.state.system.used_blobs.contains(blob_id) for blob_id in ids)


def test_data_blobs_of_this_block_are_read_without_oracle_later_ones_with(
    world: World, alice: Chain
) -> None:
    blob = data_blob(b"made here")

    def act(runtime: ContractRuntime, operation: bytes) -> bytes:
        if operation == b"create":
            return runtime.create_data_blob(blob.bytes)
        return runtime.read_data_blob(blob.hash)

    app = install(world, alice, "reader", scripted(operation=act))
    executed = alice.execute(UserOperation(app, b"create"), UserOperation(app, b"read"))
    assert list(map(bytes, executed.operation_results)) == [bytes(blob.hash), blob.bytes]
    assert executed.oracle_responses == ((), ())
    assert alice.execute(UserOperation(app, b"read")).oracle_responses == (uses(blob.id),)


def test_asserting_a_data_blob_records_its_first_use_twice(world: World, alice: Chain) -> None:
    blob_id = world.add_blob(data_blob(b"there"))
    app = install(
        world,
        alice,
        "asserting",
        scripted(operation=lambda runtime, _: runtime.assert_data_blob_exists(blob_id.hash)),
    )
    executed = alice.execute(UserOperation(app, b""), UserOperation(app, b""))
    assert executed.oracle_responses == (uses(blob_id, blob_id), ())


def test_reading_a_description_marks_the_description_only(
    world: World, alice: Chain, bob: Chain
) -> None:
    other = create(alice, world.add_module("other", COUNTER), parameters=b"p")
    app = install(
        world,
        bob,
        "curious",
        scripted(
            operation=lambda runtime, _: runtime.read_application_description(other).parameters
        ),
    )
    executed = bob.execute(UserOperation(app, b""))
    assert executed.operation_results == (b"p",)
    assert executed.oracle_responses == (uses(description_id(other)),)


def test_publishing_a_module_needs_valid_compression(alice: Chain) -> None:
    good, bad = compress(b"\0asm"), b"not zstd"
    for service in (good, bad):
        blobs = (
            BlobContent(BlobType.CONTRACT_BYTECODE, good),
            BlobContent(BlobType.SERVICE_BYTECODE, service),
        )
        block = alice.propose(PublishModule(ModuleId(blobs[0].hash, blobs[1].hash, VmRuntime.WASM)))
        if service is good:
            alice.try_run(block, *blobs)
        else:
            with pytest.raises(ExecutionError, match="InvalidCompressedBytecode") as refusal:
                alice.try_run(block, *blobs)
            assert str(refusal.value.context) == "Block"


def test_an_empty_write_makes_an_application_appear_reading_does_not(
    world: World, alice: Chain
) -> None:
    def act(runtime: ContractRuntime, operation: bytes) -> None:
        runtime.read_value(b"key")
        if operation:
            runtime.write_batch(Batch())

    app = install(world, alice, "quiet", scripted(operation=act))
    alice.execute(UserOperation(app, b""))
    assert alice.state.users.try_load(app) is None
    alice.execute(UserOperation(app, b"write"))
    assert alice.state.users.try_load(app) is not None


def test_unknown_applications_are_reported_by_their_description(alice: Chain) -> None:
    app = ApplicationId(b"\x09" * 32)
    with pytest.raises(BlobsNotFound) as refusal:
        alice.try_run(alice.propose(UserOperation(app, b"")))
    assert refusal.value.blob_ids == (description_id(app),)


def test_bytecode_is_limited_by_its_decompressed_size(world: World, alice: Chain) -> None:
    blobs = tuple(
        BlobContent(blob_type, compress(b"\0" * 100))
        for blob_type in (BlobType.CONTRACT_BYTECODE, BlobType.SERVICE_BYTECODE)
    )
    operation = PublishModule(ModuleId(blobs[0].hash, blobs[1].hash, VmRuntime.WASM))
    for limit, fits in ((100, True), (99, False)):
        policy = ResourceControlPolicy(maximum_bytecode_size=U64(limit))
        world.committees[Epoch(0)] = world.committees[Epoch(0)].replace(policy=policy)
        if fits:
            alice.try_run(alice.propose(operation), *blobs)
        else:
            with pytest.raises(ExecutionError, match="BytecodeTooLarge"):
                alice.try_run(alice.propose(operation), *blobs)
