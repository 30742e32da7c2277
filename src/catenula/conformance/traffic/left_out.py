"""Chains that are left out, because executing them needs the code of an application.

As in a replay of history (`conformance.replay`), a chain is left out from the first request that
brings a block which runs an application. Its later confirmed blocks are stored and preprocessed, so
that their messages, blobs and events arrive at others.
"""

from typing import Any

from catenula.base.identifiers import ChainId, CryptoHash
from catenula.conformance.history import RecordedBlock, RecordedRun
from catenula.conformance.replay import runs_application, transactions_run_application
from catenula.protocol import (
    BlobContent,
    BlockProposal,
    CertificateKind,
    ChainInfoQuery,
    ConfirmedBlockCertificate,
    HandleConfirmedCertificateRequest,
    HandleLiteCertRequest,
    HandleTimeoutCertificateRequest,
    HandleValidatedCertificateRequest,
    LiteCertificate,
    confirmed_from_lite,
)

_FULL = (
    HandleConfirmedCertificateRequest,
    HandleValidatedCertificateRequest,
    HandleTimeoutCertificateRequest,
)

_WITH_BLOCK = (HandleConfirmedCertificateRequest, HandleValidatedCertificateRequest)


def chain_of_request(request: Any) -> ChainId:
    """The chain that a routed request is for."""
    if isinstance(request, BlockProposal):
        return request.content.block.chain_id
    if isinstance(request, ChainInfoQuery):
        return request.chain_id
    if isinstance(request, HandleLiteCertRequest):
        return request.certificate.value.chain_id
    if isinstance(request, _FULL):
        return request.certificate.value.chain_id
    chain_id: ChainId = request[0]
    return chain_id


class LeftOutChains:
    """The chains that one validator of a run has to leave out so far."""

    def __init__(self, run: RecordedRun) -> None:
        self._run = run
        self._chains: set[ChainId] = set()
        self._taken: set[CryptoHash] = set()
        self._recorded: dict[CryptoHash, RecordedBlock] = {
            block.hash: block for block in run.blocks
        }

    def __contains__(self, chain_id: ChainId) -> bool:
        return chain_id in self._chains

    def is_concerned(self, request: Any) -> bool:
        """Whether a routed request is for a chain that is left out, perhaps from now on."""
        chain_id = chain_of_request(request)
        if chain_id not in self._chains and self._brings_application(request):
            self._chains.add(chain_id)
        return chain_id in self._chains

    def _brings_application(self, request: Any) -> bool:
        if isinstance(request, BlockProposal):
            return transactions_run_application(request.content.block.transactions)
        if isinstance(request, _WITH_BLOCK):
            return runs_application(request.certificate.block)
        if isinstance(request, HandleLiteCertRequest):
            recorded = self._recorded_block(request.certificate)
            return recorded is not None and runs_application(recorded.block())
        return False

    def new_block(self, request: Any, *, succeeded: bool) -> ConfirmedBlockCertificate | None:
        """The certificate of a final block that a request brings for the first time, if it does.

        ``succeeded`` says whether the recorded validator took it.
        """
        certificate = self._certificate_in(request, succeeded=succeeded)
        if certificate is None or certificate.block.hash in self._taken:
            return None
        if succeeded:
            self._taken.add(certificate.block.hash)
        return certificate

    def _certificate_in(self, request: Any, *, succeeded: bool) -> ConfirmedBlockCertificate | None:
        if isinstance(request, HandleConfirmedCertificateRequest):
            return request.certificate
        if isinstance(request, HandleLiteCertRequest) and succeeded:
            return self._from_lite(request.certificate)
        return None

    def _recorded_block(self, lite: LiteCertificate) -> RecordedBlock | None:
        """The block that is meant, unless another chain is named."""
        recorded = self._recorded.get(lite.value.value_hash)
        if recorded is None or recorded.chain_id != lite.value.chain_id:
            return None
        return recorded

    def _from_lite(self, lite: LiteCertificate) -> ConfirmedBlockCertificate | None:
        recorded = self._recorded_block(lite)
        if recorded is None or lite.value.kind is not CertificateKind.CONFIRMED:
            return None
        return confirmed_from_lite(lite, recorded.block())

    def required_blobs(self, certificate: ConfirmedBlockCertificate) -> list[BlobContent]:
        """The blobs that the block requires, as far as the history has them."""
        required = {str(blob_id) for blob_id in certificate.block.required_blob_ids}
        return [blob.content() for blob in self._run.blobs if blob.blob_id in required]
