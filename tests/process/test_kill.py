"""A real ``kill -9`` of validators under load, again and again on the same stores.

After every kill the stores are opened and held to everything the killed process had told: blocks
and votes are there (C14), nobody voted twice in a round over all runs (C2), every message is taken
in at most once and the balances add up (M2, M14). The moment of the kill is random; its seed is
printed and can be given in the environment as ``CATENULA_SEED``. Of a process with a helper that
commits for it, the helper is killed before it, after it, or left to end by itself.
"""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from catenula.base.identifiers import ChainId, CryptoHash
from catenula.chain.chain_state import ChainState
from catenula.protocol import Block, CertificateKind, Credit, Round
from catenula.testing.tiny_network import INITIAL_BALANCE
from catenula.worker import Worker
from tests.conftest import REPOSITORY
from tests.process.load import (
    CHAINS,
    HELPER,
    VALIDATORS,
    genesis,
    locations,
    open_worker,
    opened,
)

pytestmark = pytest.mark.process

TOTAL = CHAINS * INITIAL_BALANCE
LONGEST_RUN = 400
"""A process is killed after at most this many answers."""

Slot = tuple[int, ChainId, int, Round, CertificateKind]


class Told:
    """Everything the validators have told over all runs."""

    def __init__(self) -> None:
        self.votes: dict[Slot, CryptoHash] = {}
        self.blocks: dict[tuple[int, ChainId, int], CryptoHash] = {}

    def read(self, line: str) -> None:
        """Take note of one line of a process; a second vote in a round is an error (C2)."""
        words = line.split()
        if words[0] == "vote":
            number, height, round_, kind = int(words[1]), int(words[3]), words[4], words[5]
            slot = (
                number,
                ChainId.parse(words[2]),
                height,
                Round(bytes.fromhex(round_)),
                CertificateKind(int(kind)),
            )
            value = CryptoHash.parse(words[6])
            assert self.votes.setdefault(slot, value) == value, f"C2: two votes in {slot}"
        elif words[0] == "block":
            place = (int(words[1]), ChainId.parse(words[2]), int(words[3]))
            value = CryptoHash.parse(words[4])
            assert self.blocks.setdefault(place, value) == value, f"C9: two blocks at {place}"


def start(engine: str, folder: Path, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.process.load", engine, str(folder), *options]
    return subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def lines(process: "subprocess.Popen[str]") -> Iterator[str]:
    """The whole lines of a process, until it ends or is killed."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith("\n"):
            yield line


def run_and_kill(engine: str, folder: Path, told: Told, rng: random.Random) -> int:
    """Let a process work for a random while and kill it; how many answers it gave."""
    process = start(engine, folder, "--seed", str(rng.randrange(2**32)))
    moment, order = rng.randint(1, LONGEST_RUN), rng.randrange(3)
    answers, helpers = 0, []
    for line in lines(process):
        told.read(line)
        if line.startswith(HELPER):
            helpers = [int(line.split()[1])]
        answers += 1
        if answers == moment:
            kill_in_order([[process.pid], [*helpers, process.pid], [process.pid, *helpers]][order])
    _, errors = process.communicate()
    assert answers >= moment, f"the process ended by itself:\n{errors}"
    return answers


def kill_in_order(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # A helper ends soon after its owner.
            os.kill(pid, signal.SIGKILL)


def check(worker: Worker, number: int, told: Told) -> None:
    """A validator's store has all that it told."""
    for (validator, chain_id, height), block_hash in told.blocks.items():
        if validator == number:
            assert worker.chain(chain_id).hash_at(height) == block_hash  # type: ignore[arg-type]  # A height.
            assert worker.shared.certificate(block_hash) is not None
    for slot, value in told.votes.items():
        validator, chain_id, height, round_, kind = slot
        chain = worker.chain(chain_id)
        if validator != number or height < chain.next_block_height:
            continue
        assert height == chain.next_block_height, slot
        assert _has_vote(chain, round_, kind, value), f"C14: {slot} is lost"


def _has_vote(chain: ChainState, round_: Round, kind: CertificateKind, value: CryptoHash) -> bool:
    """Whether a vote is stored, or one that took its place."""
    manager = chain.manager
    votes = (manager.validated_vote, manager.confirmed_vote)
    stored = [vote for vote in votes if vote is not None]
    if kind is CertificateKind.CONFIRMED:
        stored = [vote for vote in stored if vote is manager.confirmed_vote]
    return any(
        vote.round > round_ or (vote.round == round_ and vote.value.hash == value)
        for vote in stored
    )


def supply(worker: Worker) -> tuple[int, int]:
    """The balances of all chains, and the credits under way, as a validator has them."""
    balances = 0
    under_way: Counter[tuple[ChainId, int, ChainId, int]] = Counter()
    for description in genesis().chains:
        chain = worker.chain(description.chain_id)
        balances += chain.execution.system.balance.get() if chain.is_described else INITIAL_BALANCE
        for block_hash in chain.confirmed_log.read():
            _count(chain.block(block_hash), under_way)
    amounts = under_way.values()
    assert min(amounts, default=0) >= 0, "M2: a message was taken in twice"
    return balances, sum(amounts)


def _count(block: Block, under_way: "Counter[tuple[ChainId, int, ChainId, int]]") -> None:
    for index, messages in enumerate(block.body.messages):
        for message in messages:
            if isinstance(message.message, Credit):
                place = (block.chain_id, block.height, message.destination, index)
                under_way[place] += message.message.amount
    for item in block.proposed.incoming_bundles():
        bundle = item.bundle
        place = (item.origin, bundle.height, block.chain_id, bundle.transaction_index)
        for posted in bundle.messages:
            if isinstance(posted.message, Credit):
                under_way[place] -= posted.message.amount


def check_stores(engine: str, folder: Path, told: Told) -> list[tuple[int, int]]:
    """Open every validator's store and hold it to what was told; balances and credits of each."""
    with opened(locations(engine, folder)[:VALIDATORS]) as stores:
        found = []
        for number, store in enumerate(stores):
            worker = open_worker(store, number)
            check(worker, number, told)
            found.append(supply(worker))
        return found


@pytest.mark.parametrize("engine", ["sqlite", "rocksdb", HELPER])
def test_nothing_told_is_lost_when_the_process_is_killed(
    engine: str, tmp_path: Path, kills: int
) -> None:
    """Invariants S1, S2 and M14."""
    seed = int(os.environ.get("CATENULA_SEED") or random.SystemRandom().randrange(2**32))
    sys.stdout.write(f"CATENULA_SEED={seed}\n")
    rng, told = random.Random(seed), Told()
    for number in range(kills):
        answers = run_and_kill(engine, tmp_path, told, rng)
        sys.stdout.write(f"kill {number + 1}: {answers} answers, {len(told.votes)} votes so far\n")
        for balances, under_way in check_stores(engine, tmp_path, told):
            assert balances + under_way == TOTAL  # M14
    process = start(engine, tmp_path, "--finish")
    last = ""
    for last in lines(process):
        told.read(last)
    _, errors = process.communicate()
    assert last == "finished\n", errors
    assert check_stores(engine, tmp_path, told) == [(TOTAL, 0)] * VALIDATORS
