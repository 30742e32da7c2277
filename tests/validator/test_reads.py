"""Requests that are answered from shared data (spec 06 §2.2)."""

import asyncio
from collections.abc import Awaitable

import pytest

from catenula.base.identifiers import CryptoHash
from catenula.base.integers import BlockHeight
from catenula.protocol import (
    BlobContent,
    BlobId,
    BlobType,
    ConfirmedBlockCertificate,
    NodeErrorReceived,
    PublishDataBlob,
    node_error,
)
from catenula.validator import reads
from tests.validator.scene import Scene

BLOB = BlobContent(BlobType.DATA, b"data")
UNKNOWN = CryptoHash(b"?" * 32)


async def refusal(request: Awaitable[object]) -> node_error.NodeError:
    with pytest.raises(NodeErrorReceived) as caught:
        await request
    return caught.value.error


async def with_blocks(count: int) -> tuple[Scene, list[ConfirmedBlockCertificate]]:
    scene = Scene()
    blocks = [scene.block() for _ in range(count)]
    for certificate in blocks:
        await scene.driver.handle_confirmed_certificate(certificate)
    return scene, blocks


def test_certificates_come_in_the_order_asked_for_without_unknown_ones() -> None:
    async def scenario() -> None:
        scene, blocks = await with_blocks(3)
        hashes = [blocks[2].hash, UNKNOWN, blocks[0].hash]
        found = await scene.driver.download_certificates(hashes)
        assert found == [blocks[2], blocks[0]]
        assert await scene.driver.download_certificate(blocks[1].hash) == blocks[1]
        error = await refusal(scene.driver.download_certificate(UNKNOWN))
        assert error == node_error.MissingCertificates((UNKNOWN,))

    asyncio.run(scenario())


def test_a_long_answer_is_cut_to_a_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        scene, blocks = await with_blocks(3)
        size = len(blocks[0].block.bcs) + len(blocks[0].lite().bcs)
        monkeypatch.setattr(reads, "BATCH_FILL_BYTES", 2 * size + size // 2)
        hashes = [certificate.hash for certificate in blocks]
        assert await scene.driver.download_certificates(hashes) == blocks[:2]

    asyncio.run(scenario())


def test_certificates_by_height_include_blocks_above_a_gap() -> None:
    async def scenario() -> None:
        scene = Scene()
        chain_id = scene.chain_ids[0]
        blocks = [scene.block() for _ in range(3)]
        for number in (0, 2):
            await scene.driver.handle_confirmed_certificate(blocks[number])

        async def ask(*heights: int) -> list[ConfirmedBlockCertificate]:
            return await scene.driver.download_certificates_by_heights(
                chain_id, [BlockHeight(height) for height in heights]
            )

        assert await ask(0, 2) == [blocks[0], blocks[2]]
        assert await ask(0, 1, 2) == [blocks[0], blocks[2]]
        assert await ask() == []
        assert await ask(7) == []

    asyncio.run(scenario())


def test_blobs_that_exist_and_that_do_not() -> None:
    async def scenario() -> None:
        scene = Scene()
        missing = BlobId(UNKNOWN, BlobType.DATA)
        known = scene.network.genesis.committee_blob
        assert await scene.driver.download_blob(known.id) == known
        error = await refusal(scene.driver.download_blob(missing))
        assert error == node_error.BlobsNotFound((missing,))
        assert await scene.driver.missing_blob_ids([missing, known.id]) == [missing]

    asyncio.run(scenario())


def test_the_last_use_of_a_blob() -> None:
    async def scenario() -> None:
        scene = Scene()
        certificate = scene.network.execute(
            scene.chain_ids[0], PublishDataBlob(BLOB.hash), blobs=[BLOB]
        )
        await refusal(scene.driver.handle_confirmed_certificate(certificate))
        # A use is on record, but not yet the block.
        error = await refusal(scene.driver.blob_last_used_by(BLOB.id))
        assert error == node_error.BlobsNotFound((BLOB.id,))
        await scene.driver.upload_blob(BLOB)
        await scene.driver.handle_confirmed_certificate(certificate)
        assert await scene.driver.blob_last_used_by(BLOB.id) == certificate.hash
        assert await scene.driver.blob_last_used_by_certificate(BLOB.id) == certificate
        genesis = scene.network.genesis.committee_blob.id
        assert await refusal(scene.driver.blob_last_used_by(genesis)) == (
            node_error.BlobsNotFound((genesis,))
        )

    asyncio.run(scenario())
