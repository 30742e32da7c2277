"""What a service is asked about its tasks, and how its answers are read (spec 08 §2.8). Pure."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from catenula.base.codec import codec_of
from catenula.base.errors import DecodeError
from catenula.base.identifiers import (
    AccountOwner,
    ApplicationId,
    ChainId,
    GenericApplicationId,
)
from catenula.base.integers import Timestamp
from catenula.base.limits import MAX_TASKS_PER_ANSWER
from catenula.client.message_policy import BlanketPolicy, MessagePolicy

_Kind = TypeVar("_Kind", ChainId, GenericApplicationId)
_NAMES = codec_of(tuple[str, ...])

WORKER_STATE_QUERY = json.dumps({"query": "query { localWorkerState }"}).encode()


class BadAnswer(DecodeError):
    """A service answered with an error or with something else than was asked; the code says so."""

    def message(self) -> str:
        """The text."""
        return self.code


class Task(Struct, frozen=True):
    """One call of an operator; ``input`` is what the program reads."""

    operator: str
    input: str
    id: str | None = None


class Actions(Struct, frozen=True):
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


class WorkerState(Struct, frozen=True):
    """What a controller wants of this worker; without an owner it does not know the worker."""

    owner: AccountOwner | None = None
    services: frozenset[tuple[ChainId, ApplicationId]] = frozenset()
    chains: frozenset[ChainId] = frozenset()
    policies: Mapping[ChainId, MessagePolicy] = field(default_factory=dict)

    def listened(self) -> frozenset[ChainId]:
        """All chains to be listened to."""
        return self.chains | {chain_id for chain_id, _ in self.services}


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
        worker = data["local_worker"]
        services = [
            (ChainId.parse(each["chain_id"]), ApplicationId.parse(each["application_id"]))
            for each in data["local_services"]
        ]
        policies = data.get("local_message_policy") or {}
        return WorkerState(
            None if worker is None else AccountOwner.parse(worker["owner"]),
            frozenset(services),
            frozenset(ChainId.parse(each) for each in data["local_chains"]),
            {ChainId.parse(name): _policy(policy) for name, policy in policies.items()},
        )
    except (DecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadAnswer(f"localWorkerState has another form: {error!r}") from error


def _policy(data: Any) -> MessagePolicy:
    return MessagePolicy(
        blanket=BlanketPolicy(data["blanket"]),
        restrict_chain_ids_to=_set(data, "restrict_chain_ids_to", ChainId),
        ignore_chain_ids=_set(data, "ignore_chain_ids", ChainId) or frozenset(),
        reject_without_application_ids=_set(
            data, "reject_message_bundles_without_application_ids", GenericApplicationId
        ),
        reject_with_other_application_ids=_set(
            data, "reject_message_bundles_with_other_application_ids", GenericApplicationId
        ),
        never_reject_application_ids=_user_applications(
            _set(data, "never_reject_application_ids", GenericApplicationId) or frozenset()
        ),
        process_events_from_application_ids=_set(
            data, "process_events_from_application_ids", GenericApplicationId
        ),
    )


def _user_applications(ids: frozenset[GenericApplicationId]) -> frozenset[ApplicationId]:
    found = (each.application_id for each in ids)
    return frozenset(each for each in found if each is not None)


def _set(data: Any, name: str, kind: type[_Kind]) -> frozenset[_Kind] | None:
    found = data.get(name)
    if found is None:
        return None
    codec = codec_of(kind)
    return frozenset(codec.from_json(each) for each in found)


def register_operation(owner: AccountOwner, capabilities: Iterable[str]) -> bytes:
    """The operation by which a worker makes itself known to its controller.

    Alternative 0 of the controller's operations with alternative 0 of its commands.
    """
    names = tuple(sorted(capabilities))
    return b"\0" + codec_of(AccountOwner).to_bcs(owner) + b"\0" + _NAMES.to_bcs(names)


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
