"""Tasks that an application has done by a program outside of the chain."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from graphql import parse

from catenula.base.errors import LocalError
from catenula.execution.applications import Contract, NativeModule, Service
from catenula.services.node.tasks import run_program
from catenula.storage.batch import Batch
from tests.network.native import native_network
from tests.services.node_stage import served

TASKS = {"a": 'say "a"', "b": "say b"}


class Ledger(Contract):
    """Keeps what programs said, by task."""

    def execute_operation(self, operation: bytes) -> bytes:
        told = json.loads(operation)
        batch = Batch()
        batch.put(told["id"].encode(), told["output"].encode())
        self.runtime.write_batch(batch)
        return b""


class Tasks(Service):
    """Lists the tasks that have no outcome yet."""

    def handle_query(self, argument: bytes) -> bytes:
        query = json.loads(argument)["query"]
        if "nextActions" in query:
            return json.dumps({"data": {"nextActions": self._actions()}}).encode()
        self.runtime.schedule_operation(json.dumps(_literal(query)).encode())
        return b'{"data": {"processTaskOutcome": true}}'

    def _actions(self) -> Any:
        open_tasks = [
            {"id": name, "operator": "shout", "input": given}
            for name, given in TASKS.items()
            if self.runtime.read_value(name.encode()) is None
        ]
        return {"request_callback": None, "set_cursor": None, "execute_tasks": open_tasks}


def _literal(query: str) -> dict[str, str]:
    """The argument of the only field of a query."""
    (operation,) = parse(query).definitions
    (field,) = operation.selection_set.selections  # type: ignore[attr-defined]  # An operation.
    return {item.name.value: item.value.value for item in field.arguments[0].value.fields}


def program(folder: Path, body: str) -> Path:
    """A program for the shell."""
    path = folder / "program.sh"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_tasks_are_done_and_their_outcomes_become_blocks(tmp_path: Path) -> None:
    failed = tmp_path / "failed"
    # The first try of each program fails.
    shout = program(tmp_path, f'[ -e {failed} ] || {{ touch {failed}; exit 1; }}; tr "a-z" "A-Z"')

    async def main() -> None:
        async with native_network() as stage:
            wallet = await stage.network.wallet("owner", tokens="10")
            application_id = await stage.create(wallet.chain, NativeModule(Ledger, Tasks))
            state = wallet.client.chain(wallet.chain.id).state
            async with served(
                stage.network,
                wallet,
                operators={"shout": shout},
                operator_application_ids=(application_id,),
                task_retry_delay_seconds=0.01,
            ):
                height = state().next_block_height
                async for _ in wallet.client.context.local.driver.subscribe((wallet.chain.id,)):
                    if state().next_block_height == height + len(TASKS):
                        break
            store = state().execution.users.try_load(application_id)
            assert store is not None
            said = {name: store.get(name.encode()) for name in TASKS}
            assert said == {name: given.upper().encode() for name, given in TASKS.items()}

    asyncio.run(main())


@pytest.mark.parametrize(
    ("body", "why"),
    [("exit 3", "status 3"), ("head -c 2000000 /dev/zero", "printed more")],
)
def test_a_program_that_fails_is_an_error(tmp_path: Path, body: str, why: str) -> None:
    with pytest.raises(LocalError, match=why):
        asyncio.run(run_program(program(tmp_path, body), ""))


def test_a_program_that_is_given_up_is_ended_with_all_it_started(tmp_path: Path) -> None:
    async def main() -> None:
        running = asyncio.create_task(run_program(program(tmp_path, "sleep 1000 & wait"), ""))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(running, 0.2)

    asyncio.run(main())


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="cannot be started"):
        asyncio.run(run_program(tmp_path / "nothing", ""))
