"""Replaying recorded history: every block through a fresh worker, compared with what is certified.

The worker has no key and starts from the network's genesis. Certificates arrive in the recorded
order; each is verified with the committee of its epoch. Cross-chain requests are delivered between
two blocks. After a difference the later blocks of that chain are still verified and preprocessed,
so that their messages, blobs and events arrive. A block is never counted as passed unless the
worker executed it and its chain stands at it afterwards.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from catenula.base.codec import codec_of
from catenula.base.errors import ProtocolError
from catenula.base.identifiers import ChainId
from catenula.base.integers import Timestamp
from catenula.chain.errors import CorruptedChainState
from catenula.conformance.differences import Difference, differences
from catenula.conformance.final_states import final_differences
from catenula.conformance.history import FinalState, RecordedBlock, RecordedRun, find_runs, read_run
from catenula.conformance.report import Report
from catenula.execution.wasm.loader import WasmApplications
from catenula.protocol import (
    AccountOwner,
    Block,
    BlockExecutionOutcome,
    ChainInfoQuery,
    ConfirmedBlockCertificate,
    CrossChainRequest,
)
from catenula.storage.engine import open_store
from catenula.worker.config import ProcessMode, WorkerConfig
from catenula.worker.genesis import initialize_store
from catenula.worker.outcome import Outcome
from catenula.worker.worker import Worker

_T = TypeVar("_T")


def run_replay(paths: Iterable[Path]) -> Report:
    """Replay all runs at ``paths``: history files, runs, or folders of runs.

    Raises `LocalError` for a path without a history, and for files that cannot be read.
    """
    report = Report()
    for history in find_runs(paths):
        report.merge(replay(read_run(history)))
    return report


def replay(run: RecordedRun) -> Report:
    """Replay a whole run; the report counts blocks, and chains with a wrong final state as failed.

    Raises `ProtocolError` or `LocalError` when even its genesis cannot be used.
    """
    replayer = Replayer(run)
    for recorded in run.blocks:
        replayer.replay_block(recorded)
    replayer.compare_final_states()
    return replayer.report


class Replayer:
    """One worker on its way through one run."""

    def __init__(self, run: RecordedRun) -> None:
        self.report = Report()
        self.chains_compared = 0
        self._run = run
        self._store = open_store("memory:")
        self._worker = Worker(
            self._store,
            config=WorkerConfig(),
            secret=None,
            applications=WasmApplications(),
        )
        self._now = run.genesis.timestamp
        self._failed: set[ChainId] = set()
        initialize_store(self._worker.shared, run.genesis)
        self._store_blobs("genesis")

    def replay_block(self, recorded: RecordedBlock) -> None:
        """Take one block of the run and count it."""
        try:
            mismatches = recorded.mismatches()
            certificate = recorded.certificate()
            self._store_blobs(recorded.origin)
        except ProtocolError as error:
            self._fail(recorded, (_refusal("recording", error),))
            return
        if mismatches:
            self._fail(recorded, mismatches)
            return
        self._now = Timestamp(max(self._now, certificate.block.header.timestamp))
        if recorded.chain_id in self._failed:
            self._preprocess(recorded, certificate)
        else:
            self._execute(recorded, certificate)

    def _fail(self, recorded: RecordedBlock, found: Iterable[Difference]) -> None:
        self._failed.add(recorded.chain_id)
        self.report.add(self._place(recorded), [str(difference) for difference in found])

    def _place(self, recorded: RecordedBlock) -> str:
        chain = f"chain {recorded.chain_id}, height {recorded.height}"
        return f"{self._run.name} block {recorded.number} ({chain})"

    # Blocks

    def _execute(self, recorded: RecordedBlock, certificate: ConfirmedBlockCertificate) -> None:
        block = certificate.block
        try:
            self._process(certificate, ProcessMode.EXECUTE)
        except CorruptedChainState as error:
            found = [*computed_differences(error, block), *self._pass_on(certificate)]
            self._fail(recorded, found)
        except ProtocolError as error:
            self._fail(recorded, [_refusal("executed", error), *self._pass_on(certificate)])
        else:
            standing = str(self._worker.chain(block.chain_id).tip.block_hash)
            at_tip = differences("block hash of the tip", standing, str(block.hash))
            self.report.add(self._place(recorded), [str(difference) for difference in at_tip])

    def _preprocess(self, recorded: RecordedBlock, certificate: ConfirmedBlockCertificate) -> None:
        refusals = self._pass_on(certificate)
        if refusals:
            self._fail(recorded, refusals)
        else:
            # Counted without a word: the block before it that failed is named.
            self.report.failed += 1

    def _pass_on(self, certificate: ConfirmedBlockCertificate) -> list[Difference]:
        """Let others have what a certified block sends, whatever we make of the block itself."""
        try:
            self._process(certificate, ProcessMode.PREPROCESS)
        except ProtocolError as error:
            return [_refusal("preprocessed", error)]
        return []

    def _process(self, certificate: ConfirmedBlockCertificate, mode: ProcessMode) -> None:
        self._commit(self._worker.handle_confirmed_certificate(certificate, self._now, mode=mode))

    def _commit(self, outcome: Outcome[_T]) -> _T:
        """Do what a driver does: writes, then effects; raises the outcome's error."""
        waiting: deque[CrossChainRequest] = deque()
        self._store_outcome(outcome, waiting)
        while waiting:
            delivered = self._worker.handle_cross_chain_request(waiting.popleft(), self._now)
            self._store_outcome(delivered, waiting)
            if delivered.error is not None:
                raise delivered.error
        if outcome.error is not None:
            raise outcome.error
        return outcome.reply  # type: ignore[return-value]  # An outcome has a reply or an error.

    def _store_outcome(self, outcome: Outcome[Any], waiting: deque[CrossChainRequest]) -> None:
        if outcome.writes:
            self._store.commit(outcome.writes)
        self._worker.committed(outcome)
        waiting.extend(outcome.actions.cross_chain_requests)

    def _store_blobs(self, origin: str) -> None:
        blobs = [recorded.content() for recorded in self._run.blobs_of(origin)]
        if blobs:
            self._store.commit(self._worker.store_blobs(blobs))

    # Final states

    def compare_final_states(self) -> None:
        """Compare the chains that were executed to their end with what the network said."""
        is_complete = self._run.is_complete()
        for chain_id, recorded in self._run.final_states.items():
            height = recorded["final_info"]["next_block_height"]
            if chain_id in self._failed or not (height or is_complete):
                continue
            if self._worker.chain(chain_id).next_block_height == height:
                found = self._final_differences(chain_id, recorded, is_complete=is_complete)
                self._compare(chain_id, [str(difference) for difference in found])

    def _final_differences(
        self, chain_id: ChainId, recorded: FinalState, *, is_complete: bool
    ) -> list[Difference]:
        query = ChainInfoQuery(chain_id, request_owner_balance=AccountOwner.CHAIN)
        try:
            info = self._commit(self._worker.handle_chain_info_query(query, self._now)).info
        except ProtocolError as error:
            return [_refusal("final_info", error)]
        return list(final_differences(info, recorded, is_complete=is_complete))

    def _compare(self, chain_id: ChainId, found: list[str]) -> None:
        self.chains_compared += 1
        if found:
            self.report.add(f"{self._run.name} final state of chain {chain_id}", found)


def computed_differences(error: CorruptedChainState, block: Block) -> tuple[Difference, ...]:
    """Field by field, where the computed outcome is not the certified one; the hash last."""
    computed = error.computed
    if computed is None:
        return (_refusal("executed", error),)
    return tuple(_compare_outcomes(computed, block))


def _compare_outcomes(computed: BlockExecutionOutcome, block: Block) -> Iterator[Difference]:
    codec = codec_of(BlockExecutionOutcome)
    found, expected = codec.to_json(computed), codec.to_json(block.outcome)
    for name in BlockExecutionOutcome.__struct_fields__:
        yield from differences(name, found[name], expected[name])
    computed_hash = Block.of(block.proposed, computed).hash
    yield from differences("block hash", str(computed_hash), str(block.hash))


def _refusal(field: str, error: ProtocolError) -> Difference:
    return Difference(field, f"refused: {error}", "accepted")
