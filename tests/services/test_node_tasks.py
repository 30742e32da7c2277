"""Tasks of applications: asked for by a service, carried out by a program, told in a block."""

import json
import stat
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from catenula.base.errors import LocalError
from catenula.base.identifiers import (
    AccountOwner,
    ApplicationId,
    ChainId,
    GenericApplicationId,
)
from catenula.base.integers import Timestamp
from catenula.base.limits import MAX_OPERATOR_OUTPUT_BYTES
from catenula.execution.applications import Contract, NativeModule, Service
from catenula.network.wallet import NetworkWallet
from catenula.services.node import NodeServiceOptions
from catenula.services.node.service import NodeService
from catenula.services.node.tasks import Operators, TaskSettings
from catenula.services.node.tasks.answers import (
    Actions,
    BadAnswer,
    Task,
    next_actions_query,
    outcome_query,
    read_actions,
    read_worker_state,
    register_operation,
)
from catenula.storage import Batch
from tests.network.native import NativeNetwork, native_network
from tests.network.support import asynchronous
from tests.services.node_stage import serve
from tests.transport.wire_network import until

IGNORE = {
    "blanket": "Ignore",
    "restrict_chain_ids_to": None,
    "ignore_chain_ids": [],
    "reject_message_bundles_without_application_ids": ["System"],
    "reject_message_bundles_with_other_application_ids": None,
    "process_events_from_application_ids": [{"User": "ab" * 32}],
    "never_reject_application_ids": ["System", {"User": "cd" * 32}],
}
"""A message policy as a controller writes it."""


class Log(Contract):
    """Keeps the outcomes it is told, in order."""

    def instantiate(self, argument: bytes) -> None:
        self._store(b"[]")

    def execute_operation(self, operation: bytes) -> bytes:
        kept = json.loads(self.runtime.read_value(b"log") or b"[]")
        self._store(json.dumps([*kept, operation.decode("latin-1")]).encode())
        return b""

    def _store(self, value: bytes) -> None:
        batch = Batch()
        batch.put(b"log", value)
        self.runtime.write_batch(batch)


def asking_for(
    wanted: Callable[[list[str]], Mapping[str, Any]],
    queries: list[str] | None = None,
    field: str = "nextActions",
) -> NativeModule:
    """An application that wants what the function makes of its log."""

    class Asking(Service):
        def handle_query(self, argument: bytes) -> bytes:
            query = json.loads(argument)["query"]
            if queries is not None:
                queries.append(query)
            kept = json.loads(self.runtime.read_value(b"log") or b"[]")
            if "processTaskOutcome" in query:
                _, _, output = query.partition("output: ")
                self.runtime.schedule_operation(
                    json.loads(output.partition("})")[0].strip()).encode()
                )
                return b'{"data":{"processTaskOutcome":true}}'
            return json.dumps({"data": {field: wanted(kept)}}).encode()

    return NativeModule(Log, Asking)


def program(folder: Path, body: str) -> Path:
    """A program in Python; ``given`` is its input."""
    path = folder / f"operator{len(list(folder.iterdir()))}"
    path.write_text(f"#!{sys.executable}\nimport sys\ngiven = sys.stdin.read()\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@asynccontextmanager
async def running(wallet: NetworkWallet, **settings: Any) -> AsyncIterator[NodeService]:
    """A service without ports that carries out tasks."""
    tasks = TaskSettings(**{"retry_seconds": 0.01, **settings})
    service = serve(wallet, NodeServiceOptions(port=0, tasks=tasks))
    service.start()
    try:
        yield service
    finally:
        await service.stop()


def log_of(service: NodeService, chain_id: ChainId, application_id: ApplicationId) -> list[str]:
    """The outcomes that blocks of the chain have told the application."""
    users = service.state(chain_id).execution.users
    found = users.try_load(application_id)
    raw = None if found is None else found.get(b"log")
    kept: list[str] = json.loads(raw or b"[]")
    return kept


async def prepared(
    stage: NativeNetwork, module: NativeModule
) -> tuple[NetworkWallet, ApplicationId]:
    """A wallet with one application on its chain."""
    wallet = await stage.network.wallet("worker", tokens="100")
    return wallet, await stage.create(wallet.chain, module)


# Tasks of an application


@asynchronous
async def test_a_task_is_carried_out_and_its_outcome_becomes_a_block(tmp_path: Path) -> None:
    def wanted(log: list[str]) -> Mapping[str, Any]:
        return {"execute_tasks": [] if log else [{"operator": "upper", "input": "hello"}]}

    async with native_network() as stage:
        wallet, application = await prepared(stage, asking_for(wanted))
        operators = {"upper": program(tmp_path, "print(given.upper(), end='')")}
        async with running(wallet, applications=(application,), operators=operators) as service:
            await until(lambda: log_of(service, wallet.chain.id, application) == ["HELLO"])
            assert service.tasks is not None
            assert service.tasks.running == {(wallet.chain.id, application)}


@asynchronous
async def test_tasks_of_a_group_run_in_order_and_a_failed_one_is_tried_again(
    tmp_path: Path,
) -> None:
    tasks = [{"operator": "picky", "input": text} for text in ("a", "b", "c")]

    def wanted(log: list[str]) -> Mapping[str, Any]:
        return {"execute_tasks": tasks[len(log) :]}

    flag = tmp_path / "failed once"
    body = f"""
from pathlib import Path
flag = Path({str(flag)!r})
if given == "b" and not flag.exists():
    flag.touch()
    sys.exit("not yet")
print(given, end="")"""
    async with native_network() as stage:
        wallet, application = await prepared(stage, asking_for(wanted))
        operators = {"picky": program(tmp_path, body)}
        async with running(wallet, applications=(application,), operators=operators) as service:
            await until(lambda: len(log_of(service, wallet.chain.id, application)) == 3)
            assert log_of(service, wallet.chain.id, application) == ["a", "b", "c"]
        assert flag.exists()


@asynchronous
async def test_a_group_that_fails_does_not_hold_back_others(tmp_path: Path) -> None:
    def wanted(log: list[str]) -> Mapping[str, Any]:
        named = [("broken", "1"), ("echo", "2"), ("echo", "3")]
        tasks = [{"id": text, "operator": operator, "input": text} for operator, text in named]
        return {"execute_tasks": [task for task in tasks if task["id"] not in log]}

    async with native_network() as stage:
        wallet, application = await prepared(stage, asking_for(wanted))
        operators = {"echo": program(tmp_path, "print(given, end='')")}
        async with running(wallet, applications=(application,), operators=operators) as service:
            await until(lambda: len(log_of(service, wallet.chain.id, application)) == 2)
            assert sorted(log_of(service, wallet.chain.id, application)) == ["2", "3"]


@asynchronous
async def test_the_cursor_is_handed_back_and_a_callback_asks_again() -> None:
    queries: list[str] = []

    def wanted(_log: list[str]) -> Mapping[str, Any]:
        return {"execute_tasks": [], "set_cursor": f"c{len(queries)}", "request_callback": 0}

    async with native_network() as stage:
        wallet, application = await prepared(stage, asking_for(wanted, queries))
        async with running(wallet, applications=(application,)):
            await until(lambda: len(queries) >= 3)
    assert "cursor: null" in queries[0]
    assert 'cursor: "c1"' in queries[1]
    assert 'cursor: "c2"' in queries[2]


@asynchronous
async def test_a_controller_says_which_services_run_and_which_chains_are_followed(
    tmp_path: Path,
) -> None:
    state: dict[str, Any] = {"local_worker": None, "local_services": [], "local_chains": []}

    def task(log: list[str]) -> Mapping[str, Any]:
        return {"execute_tasks": [] if log else [{"operator": "echo", "input": "served"}]}

    async with native_network() as stage:
        module = asking_for(lambda _log: state, field="localWorkerState")
        wallet, controller = await prepared(stage, module)
        other = (await stage.network.wallet("other", tokens="1")).chain.id
        application = await stage.create(wallet.chain, asking_for(task))
        chain_id, owner = wallet.chain.id, wallet.client.chain(wallet.chain.id).owner
        assert owner is not None
        operators = {"echo": program(tmp_path, "print(given, end='')")}
        async with running(wallet, controller=controller, operators=operators) as service:
            processors = service.tasks
            assert processors is not None
            await until(lambda: len(log_of(service, chain_id, controller)) == 1)
            registered = log_of(service, chain_id, controller)[0].encode("latin-1")
            assert registered == register_operation(owner, ["echo"])
            assert not processors.running
            place = {"chain_id": str(chain_id), "application_id": str(application)}
            state["local_worker"] = {"owner": str(owner), "capabilities": ["echo"]}
            state["local_services"] = [place]
            state["local_chains"] = [str(other)]
            state["local_message_policy"] = {str(chain_id): IGNORE}
            await wallet.chain.operate(controller, b"something new")
            await until(lambda: log_of(service, chain_id, application) == ["served"])
            row = wallet.client.wallet.chain(other)
            assert row is not None
            assert row.owner is None
            assert wallet.client.chain(chain_id).session.policy.ignores_messages
            state["local_services"] = []
            await wallet.chain.operate(controller, b"something else")
            await until(lambda: not processors.running)


# Operators


@asynchronous
async def test_a_program_that_fails_tells_why(tmp_path: Path) -> None:
    operators = Operators({"bad": program(tmp_path, "sys.exit('the reason')")})
    with pytest.raises(LocalError, match=r"operator bad ended with status 1: the reason"):
        await operators.run("bad", "input")
    with pytest.raises(LocalError, match=r"no program is known for the operator 'other'"):
        await operators.run("other", "input")


@asynchronous
async def test_a_program_that_prints_without_end_is_ended(tmp_path: Path) -> None:
    body = "while True: sys.stdout.write('x' * 65536)"
    operators = Operators({"loud": program(tmp_path, body)})
    with pytest.raises(LocalError, match=f"more than {MAX_OPERATOR_OUTPUT_BYTES} bytes"):
        await operators.run("loud", "")


@asynchronous
async def test_a_program_need_not_read_its_input(tmp_path: Path) -> None:
    path = program(tmp_path, "")
    path.write_text("#!/bin/sh\necho done\n")
    assert await Operators({"deaf": path}).run("deaf", "x" * (1 << 20)) == "done\n"


# Questions and answers


def test_questions_are_the_recorded_ones() -> None:
    asked = json.loads(next_actions_query('a"b', Timestamp(5)))
    assert asked == {"query": 'query { nextActions(cursor: "a\\"b", now: 5) }'}
    told = json.loads(outcome_query(Task("op", "in", "7"), "out"))
    text = 'query { processTaskOutcome(outcome: {id: "7", operator: "op", output: "out"}) }'
    assert told == {"query": text}
    assert "id:" not in json.loads(outcome_query(Task("op", "in"), "out"))["query"]


def test_answers_are_read_or_refused() -> None:
    answer = {"request_callback": 9, "set_cursor": "c", "execute_tasks": []}
    read = read_actions(json.dumps({"data": {"nextActions": answer}}).encode())
    assert read == Actions((), Timestamp(9), "c")
    for bad in (
        b"no",
        b"[]",
        b'{"data":null}',
        b'{"errors":[{"message":"m"}],"data":{"nextActions":{}}}',
        b'{"data":{"nextActions":{"execute_tasks":[{"operator":1}]}}}',
        b'{"data":{"nextActions":{"request_callback":-1}}}',
    ):
        with pytest.raises(BadAnswer):
            read_actions(bad)
    with pytest.raises(BadAnswer):
        read_worker_state(b'{"data":{"localWorkerState":{"local_services":[{}]}}}')


def test_a_worker_tells_its_name_and_what_it_can() -> None:
    owner = AccountOwner.address32(bytes(range(32)))
    operation = register_operation(owner, ["b", "a"])
    assert operation == b"\0\1" + bytes(range(32)) + b"\0\2\1a\1b"


def test_a_controller_is_understood_with_its_policies() -> None:
    state = {
        "local_worker": {"owner": "0x" + "00" * 32, "capabilities": []},
        "local_services": [],
        "local_chains": ["ab" * 32],
        "local_message_policy": {"ab" * 32: IGNORE},
    }
    read = read_worker_state(json.dumps({"data": {"localWorkerState": state}}).encode())
    (policy,) = read.policies.values()
    assert policy.ignores_messages
    assert policy.reject_without_application_ids == frozenset({GenericApplicationId.SYSTEM})
    assert policy.never_reject_application_ids == {ApplicationId.parse("cd" * 32)}
    assert read.listened() == {ChainId.parse("ab" * 32)}
