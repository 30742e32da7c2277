"""What a service is asked about its tasks, and how its answers are read (spec 08 §2.8). Pure."""

import json
from dataclasses import dataclass
from typing import Any

import msgspec

from catenula.base.errors import DecodeError
from catenula.base.identifiers import ApplicationId, ChainId
from catenula.base.integers import Timestamp
from catenula.base.limits import MAX_TASKS_PER_ANSWER

WORKER_STATE_QUERY = json.dumps({"query": "query { localWorkerState }"}).encode()


class BadAnswer(DecodeError):
    """A service answered with an error or with something else than was asked; the code says so."""

    def message(self) -> str:
        """The text."""
        return self.code


@dataclass(frozen=True, slots=True)
class Task:
    """One call of an operator; ``input`` is what the program reads."""

    operator: str
    input: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Actions:
    """What an application wants: tasks, to be asked again at a time, another cursor."""

    tasks: tuple[Task, ...] = ()
    callback_at: Timestamp | None = None
    cursor: str | None = None

    def groups(self) -> dict[str | None, list[Task]]:
        """Tasks by id, in order; those without one are a group too."""
        found: dict[str | None, list[Task]] = {}
        for task in self.tasks:
            found.setdefault(task.id, []).append(task)
        return found


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What a controller wants of this worker."""

    services: frozenset[tuple[ChainId, ApplicationId]] = frozenset()
    chains: frozenset[ChainId] = frozenset()


def next_actions_query(cursor: str | None, now: Timestamp) -> bytes:
    """Ask for what is to be done."""
    text = f"query {{ nextActions(cursor: {json.dumps(cursor)}, now: {int(now)}) }}"
    return json.dumps({"query": text}).encode()


def outcome_query(task: Task, output: str) -> bytes:
    """Hand over what an operator printed."""
    told = {"id": task.id, "operator": task.operator, "output": output}
    fields = ", ".join(
        f"{name}: {json.dumps(value)}" for name, value in told.items() if value is not None
    )
    text = f"query {{ processTaskOutcome(outcome: {{{fields}}}) }}"
    return json.dumps({"query": text}).encode()


def read_actions(response: bytes) -> Actions:
    """The answer to `next_actions_query`; `BadAnswer` when it is none."""
    data = read_field(response, "nextActions")
    if not isinstance(data, dict):
        raise BadAnswer("nextActions is not an object")
    tasks, callback, cursor = (
        data.get("execute_tasks", []),
        data.get("request_callback"),
        data.get("set_cursor"),
    )
    if not isinstance(tasks, list) or not isinstance(cursor, str | None):
        raise BadAnswer("nextActions has other types of fields")
    if len(tasks) > MAX_TASKS_PER_ANSWER:
        raise BadAnswer(f"nextActions has more than {MAX_TASKS_PER_ANSWER} tasks")
    return Actions(tuple(map(_task, tasks)), _time(callback), cursor)


def _task(data: Any) -> Task:
    if not isinstance(data, dict):
        raise BadAnswer("a task is not an object")
    operator, given, name = data.get("operator"), data.get("input"), data.get("id")
    if not isinstance(operator, str) or not isinstance(given, str):
        raise BadAnswer("a task lacks the text of its operator or its input")
    if not isinstance(name, str | None):
        raise BadAnswer("the id of a task is not a text")
    return Task(operator, given, name)


def _time(data: Any) -> Timestamp | None:
    if data is None:
        return None
    if type(data) is not int or not 0 <= data < 1 << 64:
        raise BadAnswer("request_callback is not a time in microseconds")
    return Timestamp(data)


def read_worker_state(response: bytes) -> WorkerState:
    """The answer to `WORKER_STATE_QUERY`; `BadAnswer` when it is none."""
    data = read_field(response, "localWorkerState")
    try:
        services = [
            (ChainId.parse(each["chain_id"]), ApplicationId.parse(each["application_id"]))
            for each in data["local_services"]
        ]
        chains = [ChainId.parse(each) for each in data["local_chains"]]
    except (DecodeError, KeyError, TypeError, AttributeError) as error:
        raise BadAnswer("localWorkerState does not list services and chains") from error
    return WorkerState(frozenset(services), frozenset(chains))


def read_field(response: bytes, name: str) -> Any:
    """One field of a GraphQL answer; `BadAnswer` for errors and for other answers."""
    try:
        answer = msgspec.json.decode(response)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadAnswer("the service's answer is not JSON") from error
    if not isinstance(answer, dict):
        raise BadAnswer("the service's answer is not a GraphQL answer")
    if errors := answer.get("errors"):
        raise BadAnswer(f"the service says {json.dumps(errors)[:500]}")
    data = answer.get("data")
    if not isinstance(data, dict) or name not in data:
        raise BadAnswer(f"the service's answer has no field {name}")
    return data[name]
