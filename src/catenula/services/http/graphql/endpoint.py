"""One GraphQL interface: documents are parsed and validated once, then executed.

`GraphqlEndpoint` answers requests over HTTP (`handle`), single operations (`execute`) and
subscriptions (`subscribe`). What a resolver raises becomes an error of the answer; bugs are logged.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    execute,
    parse,
    subscribe,
    validate,
)
from msgspec import Struct

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.limits import (
    MAX_CACHED_DOCUMENT_CHARACTERS,
    MAX_CACHED_DOCUMENTS,
    MAX_GRAPHQL_TOKENS,
)
from catenula.services.http.graphql.answers import Answer, answer_of, failed, json_refusal
from catenula.services.http.graphql.plans import GivesUp, Plan, plan_of
from catenula.services.http.graphql.rules import RULES
from catenula.services.http.messages import Request, Response

_LOGGER = logging.getLogger(__name__)
_V = TypeVar("_V")
_CONTENT_TYPE = "application/graphql-response+json"
_MISSING_ROOT = {
    OperationType.MUTATION: "Schema is not configured for mutations.",
    OperationType.SUBSCRIPTION: "Schema is not configured for subscriptions.",
}


class Operation(Struct, frozen=True):
    """What a client asks for."""

    query: str
    variables: Mapping[str, Any] | None = None
    name: str | None = None

    @classmethod
    def from_json(cls, data: Any) -> "Operation | None":
        """Read the JSON form; None when it is not one."""
        if not isinstance(data, dict):
            return None
        query, name = data.get("query", ""), data.get("operationName")
        variables = data.get("variables")
        if not isinstance(query, str) or not isinstance(name, str | None):
            return None
        if not isinstance(variables, dict | None):
            return None
        return cls(query, variables, name)


class _Document:
    """A parsed document, or what is wrong with the text."""

    __slots__ = ("_plans", "errors", "tree")

    def __init__(
        self, schema: GraphQLSchema, text: str, *, is_valid: bool, max_tokens: int
    ) -> None:
        self.tree: DocumentNode | None = None
        self._plans: dict[str | None, Plan | None] = {}
        try:
            self.tree = parse(text, max_tokens=max_tokens)
        except GraphQLSyntaxError as error:
            self.errors: list[GraphQLError] = [error]
            return
        except RecursionError:
            self.errors = [GraphQLError("The document is nested too deeply.")]
            return
        self.errors = _missing_roots(schema, self.tree)
        if not self.errors and not is_valid:
            self.errors = validate(schema, self.tree, RULES)

    def plan(self, schema: GraphQLSchema, name: str | None) -> Plan | None:
        """How an operation is answered without the library, if it can be."""
        if name not in self._plans:
            chosen = self.operation(name)
            self._plans[name] = None if chosen is None else plan_of(schema, chosen)
        return self._plans[name]

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """The operation to execute, or None."""
        definitions = self.tree.definitions if self.tree is not None else ()
        found = [item for item in definitions if isinstance(item, OperationDefinitionNode)]
        if name is not None:
            found = [item for item in found if item.name is not None and item.name.value == name]
        return found[0] if len(found) == 1 else None


def _missing_roots(schema: GraphQLSchema, tree: DocumentNode) -> list[GraphQLError]:
    """Operations of a kind the schema does not have; the reference says so twice for each."""
    return [
        GraphQLError(_MISSING_ROOT[item.operation], item)
        for item in tree.definitions
        if isinstance(item, OperationDefinitionNode)
        and schema.get_root_type(item.operation) is None
        for _ in range(2)
    ]


_TOO_DEEP = 'InvalidRequest(Error("recursion limit exceeded", line: 1, column: 128))'


class GraphqlEndpoint:
    """A schema and the context that its resolvers get."""

    def __init__(
        self,
        schema: GraphQLSchema,
        context: object,
        *,
        max_tokens: int = MAX_GRAPHQL_TOKENS,
        prepare: Callable[[str], str] = str,
    ) -> None:
        """``prepare`` may rewrite a document before it is read."""
        self.schema, self._context, self._max_tokens = schema, context, max_tokens
        self._prepare = prepare
        self._documents: OrderedDict[str, _Document] = OrderedDict()
        self._valid_shapes: OrderedDict[str, bool] = OrderedDict()

    # HTTP

    async def handle(self, request: Request) -> Response:
        """POST with a JSON body; errors of the operation are a 200 answer, as in the reference."""
        try:
            data = msgspec.json.decode(request.body)
        except msgspec.DecodeError:
            return Response(400, json_refusal(request.body).encode())
        except RecursionError:
            return Response(400, _TOO_DEEP.encode())
        if isinstance(data, list):
            return Response(400, b"UnsupportedBatch")
        operation = Operation.from_json(data)
        if operation is None:
            text = "data did not match any variant of untagged enum BatchRequest"
            return Response(400, f'InvalidRequest(Error("{text}", line: 0, column: 0))'.encode())
        answer = await self.execute(operation)
        headers = () if "errors" in answer else (("cache-control", "no-cache"),)
        return Response(200, msgspec.json.encode(answer), _CONTENT_TYPE, headers)

    # Operations

    async def execute(self, operation: Operation) -> Answer:
        """Answer a query or mutation; long documents are read on a thread."""
        if len(operation.query) > MAX_CACHED_DOCUMENT_CHARACTERS:
            document = await asyncio.to_thread(self._read, operation.query, is_valid=False)
        else:
            document = self._document(operation.query)
        refusal = _refusal(document, operation)
        if refusal is not None or document.tree is None:
            return refusal or failed()
        plan = document.plan(self.schema, operation.name)
        if plan is not None:
            with suppress(GivesUp):
                return {"data": plan.data(self._context, operation.variables or {})}
        outcome = execute(
            self.schema,
            document.tree,
            context_value=self._context,
            variable_values=dict(operation.variables or {}),
            operation_name=operation.name,
        )
        result = outcome if isinstance(outcome, ExecutionResult) else await outcome
        _log_bugs(result)
        return answer_of(result)

    def is_subscription(self, operation: Operation) -> bool:
        """Whether an operation goes on until the client ends it."""
        chosen = self._document(operation.query).operation(operation.name)
        return chosen is not None and chosen.operation is OperationType.SUBSCRIPTION

    async def subscribe(self, operation: Operation) -> AsyncIterator[Answer]:
        """Answer a subscription; one answer with errors when it cannot begin."""
        document = self._document(operation.query)
        refusal = _refusal(document, operation)
        if refusal is not None or document.tree is None:
            yield refusal or failed()
            return
        begun = subscribe(
            self.schema,
            document.tree,
            context_value=self._context,
            variable_values=dict(operation.variables or {}),
            operation_name=operation.name,
        )
        results = begun if isinstance(begun, ExecutionResult | AsyncIterator) else await begun
        if isinstance(results, ExecutionResult):
            _log_bugs(results)
            yield answer_of(results)
            return
        try:
            async for result in results:
                _log_bugs(result)
                yield answer_of(result)
        finally:
            close = getattr(results, "aclose", None)
            if close is not None:
                await close()

    def _document(self, text: str) -> _Document:
        known = self._documents.get(text)
        if known is not None:
            self._documents.move_to_end(text)
            return known
        shape = _shape(text)
        document = self._read(text, is_valid=shape in self._valid_shapes)
        if len(text) <= MAX_CACHED_DOCUMENT_CHARACTERS:
            _remember(self._documents, text, document)
            if shape is not None and not document.errors:
                _remember(self._valid_shapes, shape, True)
        return document

    def _read(self, text: str, *, is_valid: bool) -> _Document:
        prepared = self._prepare(text)
        return _Document(self.schema, prepared, is_valid=is_valid, max_tokens=self._max_tokens)


def _remember(rows: OrderedDict[str, _V], key: str, value: _V) -> None:
    rows[key] = value
    rows.move_to_end(key)
    if len(rows) > MAX_CACHED_DOCUMENTS:
        rows.popitem(last=False)


def _shape(text: str) -> str | None:
    """The document without its only text literal: what is valid does not depend on that one.

    Clients write an owner into each document, and validation is what costs. With two literals it
    would matter whether they are equal (overlapping fields).
    """
    if text.count('"') != 2 or "#" in text or "\\" in text:
        return None
    before, _, after = text.split('"')
    return f'{before}""{after}'


def _refusal(document: _Document, operation: Operation) -> Answer | None:
    """Why the operation is not executed, or None."""
    if document.errors:
        return failed(*document.errors)
    if document.operation(operation.name) is None:
        if operation.name is not None:
            return failed(GraphQLError(f'Unknown operation named "{operation.name}"'))
        return failed(GraphQLError("Operation name required in request."))
    return None


def _log_bugs(result: ExecutionResult) -> None:
    """Errors that are neither the client's nor this machine's are bugs, and must be seen."""
    for error in result.errors or ():
        cause = error.original_error
        if not isinstance(cause, ProtocolError | LocalError | GraphQLError | None):
            _LOGGER.error("a GraphQL field failed: %s", error.message, exc_info=cause)
