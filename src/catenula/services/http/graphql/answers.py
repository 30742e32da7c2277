"""Answers of a GraphQL endpoint as JSON data: the shape and words the reference's clients know."""

from typing import Any

from graphql import ExecutionResult, GraphQLError, GraphQLSyntaxError

from catenula.base.errors import ProtocolError

Answer = dict[str, Any]

_EXPECTED = {
    "Syntax Error: Unexpected <EOF>.": "executable_definition",
    "Syntax Error: Expected Name, found <EOF>.": "selection",
}


def failed(*errors: GraphQLError) -> Answer:
    """The answer to a request that was not executed."""
    return {"data": None, "errors": [_error(error) for error in errors]}


def answer_of(result: ExecutionResult) -> Answer:
    """The answer to a request that was executed.

    What a field of the root says instead of a value takes the place of the whole answer, as the
    reference's servers have it, even where the field may be null.
    """
    if not result.errors:
        return {"data": result.data}
    has_root = any(error.path is None or len(error.path) == 1 for error in result.errors)
    data = None if has_root else result.data
    return {"data": data, "errors": [_error(error) for error in result.errors]}


def _error(error: GraphQLError) -> Answer:
    if isinstance(error, GraphQLSyntaxError):
        return _syntax_error(error)
    cause = error.original_error
    text = cause.message() if isinstance(cause, ProtocolError) else error.message
    shown: Answer = {"message": text}
    if error.locations:
        shown["locations"] = [
            {"line": place.line, "column": place.column} for place in error.locations[:1]
        ]
    if error.path:
        shown["path"] = error.path
    return shown


def _syntax_error(error: GraphQLSyntaxError) -> Answer:
    """The line that cannot be read, with a mark below the place."""
    place = error.locations[0] if error.locations else None
    line, column = (place.line, place.column) if place is not None else (1, 1)
    lines = error.source.body.splitlines() if error.source is not None else []
    text = lines[line - 1] if line <= len(lines) else ""
    expected = _EXPECTED.get(error.message)
    wanted = f"expected {expected}" if expected else error.message.removeprefix("Syntax Error: ")
    number = str(line)
    margin = " " * len(number)
    picture = (
        f"{margin}--> {line}:{column}\n{margin} |\n{number} | {text}\n"
        f"{margin} | {' ' * (column - 1)}^---\n{margin} |\n{margin} = {wanted}"
    )
    return {"message": picture, "locations": [{"line": line, "column": column}]}


def json_refusal(body: bytes) -> str:
    """What is said of a body that is no JSON request, in the words of the reference."""
    text = body.decode("utf-8", "replace")
    stripped = text.lstrip()
    if not stripped:
        return 'InvalidRequest(Error("EOF while parsing a value", line: 1, column: 0))'
    before = text[: len(text) - len(stripped)]
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    for word in ("null", "true", "false"):
        if stripped[0] == word[0] and not stripped.startswith(word):
            same = next(i for i, letter in enumerate(word) if stripped[i : i + 1] != letter)
            return _invalid("expected ident", line, column + same)
    return _invalid("expected value", line, column)


def _invalid(what: str, line: int, column: int) -> str:
    return f'InvalidRequest(Error("{what}", line: {line}, column: {column}))'
