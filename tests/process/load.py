"""A process under load: four validators and a client node, blocks on several chains at once.

Started as ``python -m tests.process.load ENGINE FOLDER`` it first brings all nodes to the same
state, whatever an earlier run left behind, then makes blocks until it is killed. Every answer of a
validator is printed after it has been received. With ``--finish`` it stops once every message has
been taken in. The engine ``helper`` is sqlite with a process that commits for all nodes.
"""

import argparse
import asyncio
import random
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from catenula.base.identifiers import ChainId
from catenula.base.integers import U32, BlockHeight
from catenula.execution.applications import NativeApplications
from catenula.protocol import (
    Block,
    CertificateKind,
    ChainInfoQuery,
    ChainInfoResponse,
    ChainOwnership,
    ConfirmedBlockCertificate,
    ExecuteOperation,
    GenesisConfig,
    LiteValue,
    LockingRegular,
    ProposalContent,
    ProposedBlock,
    ReceiveMessages,
    Round,
    SignatureAggregator,
    Transaction,
    ValidatedBlockCertificate,
    sign_proposal,
)
from catenula.storage.engine import Store, open_store
from catenula.storage.file_locks import with_patience
from catenula.testing.keys import account_key, validator_key
from catenula.testing.tiny_network import STRICT, TinyNetwork, transfer
from catenula.validator import commit_process
from catenula.validator.clock import SystemClock
from catenula.validator.commit_threads import CommitThreads
from catenula.validator.committer import GroupCommitter
from catenula.validator.driver import NodeDriver
from catenula.worker import Worker, WorkerConfig, initialize_store

VALIDATORS = 4
CHAINS = 3
ROUNDS = 100_000
"""Multi-leader rounds: enough for one more after every kill."""
CLAIM_PATIENCE_SECONDS = 60

HELPER = "helper"

Phase = Callable[[NodeDriver], Coroutine[Any, Any, ChainInfoResponse]]


def genesis() -> GenesisConfig:
    """The same network in every run."""
    return _network().genesis


def _network() -> TinyNetwork:
    ownerships = [
        ChainOwnership.single(account_key(number).owner()).replace(multi_leader_rounds=U32(ROUNDS))
        for number in range(CHAINS)
    ]
    return TinyNetwork(validators=VALIDATORS, ownerships=ownerships)


def locations(engine: str, folder: Path) -> list[str]:
    """The stores of the validators, then the client's."""
    kind = "sqlite" if engine == HELPER else engine
    return [f"{kind}:{folder / f'node-{number}'}" for number in range(VALIDATORS + 1)]


def open_worker(store: Store, number: int) -> Worker:
    """The worker of a validator, or of the client for the number after the last one."""
    is_client = number == VALIDATORS
    worker = Worker(
        store,
        config=WorkerConfig(allow_deprecated_epochs=is_client),
        secret=None if is_client else validator_key(number),
        applications=NativeApplications(),
    )
    initialize_store(worker.shared, genesis())
    return worker


@contextmanager
def opened(locations: list[str]) -> Iterator[list[Store]]:
    """The stores, as their only user, closed afterwards."""
    stores = [open_store(location) for location in locations]
    try:
        for store in stores:
            # The helper of a killed process ends a moment later.
            with_patience(store.claim, CLAIM_PATIENCE_SECONDS)
        yield stores
    finally:
        for store in stores:
            store.close()


class Load:
    """The nodes of one run and the flows that use them."""

    def __init__(self, stores: list[Store], threads: CommitThreads | None = None) -> None:
        self.committee = genesis().committee
        self.keys = [validator_key(number).public_key() for number in range(VALIDATORS)]
        self.chain_ids = tuple(chain.chain_id for chain in genesis().chains)
        self.clock = SystemClock()
        self.committers = [
            GroupCommitter(store, None if threads is None else threads.assign(store))
            for store in stores
        ]
        nodes = [
            NodeDriver(open_worker(store, number), committer=committer, clock=self.clock)
            for number, (store, committer) in enumerate(zip(stores, self.committers, strict=True))
        ]
        self.validators, self.client = nodes[:VALIDATORS], nodes[VALIDATORS]

    # One question to all validators

    async def _ask(self, phase: Phase) -> list[ChainInfoResponse]:
        answers = await asyncio.gather(*(self._told(n, phase) for n in range(VALIDATORS)))
        return list(answers)

    async def _told(self, number: int, phase: Phase) -> ChainInfoResponse:
        """Ask one validator and print what it told, at once."""
        answer = await phase(self.validators[number])
        answer.check(self.keys[number])
        info, vote = answer.info, answer.info.manager.pending
        if vote is not None:
            kind = vote.value.kind.value
            _say("vote", number, info.chain_id, info.next_block_height, vote.round.hex(), kind,
                 vote.value.value_hash)  # fmt: skip
        if info.block_hash is not None:
            _say("block", number, info.chain_id, info.next_block_height - 1, info.block_hash)
        return answer

    async def _collect(
        self, block: Block, round_: Round, kind: CertificateKind, phase: Phase
    ) -> SignatureAggregator:
        value = LiteValue(block.hash, block.chain_id, kind)
        aggregator = SignatureAggregator(value, round_, self.committee)
        for key, answer in zip(self.keys, await self._ask(phase), strict=True):
            vote = answer.info.manager.pending
            if vote is not None and vote.value == value and vote.round == round_:
                aggregator.append(key, vote.signature)
        return aggregator

    # Blocks

    async def propose(self, chain_id: ChainId, transactions: tuple[Transaction, ...]) -> None:
        """Make one block final on all nodes, in a round no validator has voted in."""
        answers = await self._ask(lambda node: node.handle_chain_info_query(_all_about(chain_id)))
        info = answers[0].info
        round_ = max(answer.info.manager.current_round for answer in answers)
        if any(answer.info.manager.requested_proposed for answer in answers):
            round_ = Round.multi_leader(round_.number + 1)
        key = account_key(self.chain_ids.index(chain_id))
        draft = ProposedBlock(
            chain_id,
            info.epoch,
            transactions,
            info.next_block_height,
            max(self.clock.now(), info.timestamp),
            key.owner(),
            info.block_hash,
        )
        staged = await self.client.run(
            chain_id,
            lambda worker, now: worker.stage_block(
                draft, now=now, round_=round_, published_blobs={}, policy=STRICT
            ),
        )
        proposal = sign_proposal(ProposalContent(draft, round_), key)
        votes = await self._collect(
            staged.block,
            round_,
            CertificateKind.VALIDATED,
            lambda node: node.handle_block_proposal(proposal),
        )
        await self.finalize(ValidatedBlockCertificate(staged.block, round_, votes.signatures()))

    async def finalize(self, locked: ValidatedBlockCertificate) -> None:
        """Let a validated block be confirmed and executed everywhere, messages delivered."""
        votes = await self._collect(
            locked.block,
            locked.round,
            CertificateKind.CONFIRMED,
            lambda node: node.handle_validated_certificate(locked),
        )
        final = ConfirmedBlockCertificate(locked.block, locked.round, votes.signatures())
        await self.spread(final)

    async def spread(self, final: ConfirmedBlockCertificate) -> None:
        """Give a final block to every node and wait until its messages have arrived."""
        await self._ask(
            lambda node: node.handle_confirmed_certificate(final, wait_for_outgoing_messages=True)
        )
        await self.client.handle_confirmed_certificate(final, wait_for_outgoing_messages=True)

    # After a crash

    async def recover(self) -> None:
        """Bring all nodes to the highest known block of each chain, and finish what is locked."""
        for chain_id in self.chain_ids:
            await self._catch_up(chain_id)
        for chain_id in self.chain_ids:
            query = _all_about(chain_id)
            answers = await self._ask(lambda node, query=query: node.handle_chain_info_query(query))  # type: ignore[misc]  # Bound now.
            locks = [answer.info.manager.requested_locking for answer in answers]
            certificates = [lock.certificate for lock in locks if isinstance(lock, LockingRegular)]
            if certificates:
                await self.finalize(max(certificates, key=_round_of))

    async def _catch_up(self, chain_id: ChainId) -> None:
        nodes = (*self.validators, self.client)
        tips = [node.worker.chain(chain_id).next_block_height for node in nodes]
        best = nodes[tips.index(max(tips))]
        for height in range(max(0, min(tips) - 1), max(tips)):
            (final,) = await best.download_certificates_by_heights(chain_id, [BlockHeight(height)])
            await self.spread(final)

    # The load

    async def keep_busy(self, number: int, rng: random.Random) -> None:
        """Blocks of one chain for ever: transfers out, and whatever has come in."""
        while True:
            await self.step(number, transfers=rng.randint(1, 3), rng=rng)

    async def step(self, number: int, *, transfers: int, rng: random.Random) -> bool:
        """One block, unless there is nothing to put into it; whether there was."""
        chain_id = self.chain_ids[number]
        query = ChainInfoQuery(chain_id, request_pending_message_bundles=True)
        info = (await self.client.handle_chain_info_query(query)).info
        received = tuple(map(ReceiveMessages, info.requested_pending_message_bundles))
        others = [other for other in self.chain_ids if other != chain_id]
        sent = tuple(
            ExecuteOperation(transfer(rng.choice(others), rng.randint(1, 9)))
            for _ in range(transfers)
        )
        if received or sent:
            await self.propose(chain_id, (*received, *sent))
        return bool(received)

    async def finish(self) -> None:
        """Take in everything that is under way."""
        rng = random.Random(0)
        while any([await self.step(n, transfers=0, rng=rng) for n in range(CHAINS)]):
            continue
        for node in (*self.validators, self.client):
            await node.stop()
        for committer in self.committers:
            await committer.close()


def _round_of(certificate: ValidatedBlockCertificate) -> Round:
    return certificate.round


def _all_about(chain_id: ChainId) -> ChainInfoQuery:
    return ChainInfoQuery(chain_id, request_manager_values=True, create_network_actions=True)


def _say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def run(stores: list[Store], threads: CommitThreads, arguments: argparse.Namespace) -> None:
    """Recover, then work until killed, or until everything has arrived."""
    load = Load(stores, threads if arguments.engine == HELPER else None)
    await load.recover()
    threads.helper.wait_until_started()
    if threads.helper.process is not None:
        _say(HELPER, threads.helper.process.pid)
    _say("ready")
    if arguments.finish:
        await load.finish()
        _say("finished")
        return
    await asyncio.gather(
        *(
            load.keep_busy(number, random.Random(arguments.seed + number))
            for number in range(CHAINS)
        )
    )


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("engine")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--finish", action="store_true")
    arguments = parser.parse_args()
    commit_process.COMMITS_BEFORE_START = 1
    threads = CommitThreads()
    with opened(locations(arguments.engine, arguments.folder)) as stores:
        asyncio.run(run(stores, threads, arguments))
    threads.close()


if __name__ == "__main__":
    main()
