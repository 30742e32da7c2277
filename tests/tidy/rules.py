"""The house rules, one function each: a source goes in, complaints come out.

A complaint is ``(line, text)``. Rules over all sources at once are at the end.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator

from tests.tidy.sources import CORE_LAYERS, Function, Source, registered_invariants

FUNCTION_LINES = 70
FILE_LINES = 600
PARAMETERS = 5
POSITIONAL_PARAMETERS = 3
NESTING = 3

PROCESS_BOUNDARIES: frozenset[str] = frozenset(
    {
        "src/catenula/execution/wasm/instance.py",
        "src/catenula/cli/invocation.py",  # Stands for a process, which a crash would end.
        "src/catenula/storage/rocks.py",
        "src/catenula/transport/endpoints.py",  # A stranger's call must not hear of our bugs.
        "src/catenula/transport/grpc_web.py",  # Nor wait for ever because of one.
        "src/catenula/validator/committer.py",  # A thread hands failures to those who wait.
        "src/catenula/validator/frame_server.py",  # A request must not end the others with it.
        "src/catenula/validator/side_runs.py",  # A thread hands failures to those who wait.
    }
)
"""Files that may catch every exception, because behind them there is only the caller's process."""

FORBIDDEN_IN_CORE = {
    "asyncio": "the core does not know an event loop",
    "random": "randomness is an argument",
    "secrets": "randomness is an argument",
    "socket": "the core does no network I/O",
    "subprocess": "the core starts nothing",
    "time": "the core does not read a clock; `now` is an argument",
    "uuid": "randomness is an argument",
}
FORBIDDEN_ATTRIBUTES = {
    "os": {"environ", "getenv", "urandom", "getrandom"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}

Complaint = tuple[int, str]
Rule = Callable[[Source], Iterable[Complaint]]

_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
_UNFINISHED = re.compile(
    r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK")) + r")\b"
)
_SILENCER = re.compile(r"#\s*(type:\s*ignore|noqa)(?P<rest>.*)$")
_SILENCER_WITH_REASON = re.compile(r"^:?\s*(\[[\w\-, ]+\]|[A-Z]+\d+(,\s*[A-Z]+\d+)*)\s+#?\s*\S+")


def function_length(source: Source) -> Iterator[Complaint]:
    """A function has at most 70 lines."""
    for function, _ in source.functions():
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > FUNCTION_LINES:
            yield function.lineno, f"{function.name} has {lines} lines, at most {FUNCTION_LINES}"


def file_length(source: Source) -> Iterator[Complaint]:
    """A file has at most 600 lines."""
    lines = source.text.count("\n")
    if lines > FILE_LINES:
        yield lines, f"the file has {lines} lines, at most {FILE_LINES}"


def parameters(source: Source) -> Iterator[Complaint]:
    """At most five parameters, keyword-only after the third; commands have one per option."""
    for function, is_method in source.functions():
        if _is_command(function) or _is_dunder(function) or not source.in_package:
            continue
        arguments = function.args
        positional = len(arguments.posonlyargs) + len(arguments.args) - is_method
        total = positional + len(arguments.kwonlyargs)
        if total > PARAMETERS:
            yield function.lineno, f"{function.name} has {total} parameters, at most {PARAMETERS}"
        elif positional > POSITIONAL_PARAMETERS and not _is_private(source, function):
            limit = f"at most {POSITIONAL_PARAMETERS}, the others keyword-only"
            yield function.lineno, f"{function.name} has {positional} by position, {limit}"


def _is_command(function: Function) -> bool:
    return any(
        isinstance(node, ast.Attribute | ast.Name) and _name(node) in ("command", "group")
        for decorator in function.decorator_list
        for node in ast.walk(decorator)
    )


def _is_dunder(function: Function) -> bool:
    return function.name.startswith("__") and function.name != "__init__"


def _is_private(source: Source, function: Function) -> bool:
    """Callers of a private or nested function are in the same file, beside its signature."""
    top_level = any(
        function in node.body
        for node in source.nodes
        if isinstance(node, ast.Module | ast.ClassDef)
    )
    return not top_level or (function.name.startswith("_") and function.name != "__init__")


def nesting(source: Source) -> Iterator[Complaint]:
    """Blocks lie at most three deep inside a function."""
    for function, _ in source.functions() if source.in_package else ():
        for line, depth in _too_deep(function.body, 1):
            yield line, f"{function.name} nests {depth} blocks, at most {NESTING}"


def _too_deep(body: Iterable[ast.AST], depth: int) -> Iterator[tuple[int, int]]:
    for node in body:
        if isinstance(node, Function | ast.ClassDef | ast.Lambda):
            continue
        deeper = isinstance(node, _BLOCKS)
        if deeper and depth > NESTING:
            yield getattr(node, "lineno", 0), depth
            continue
        children = list(ast.iter_child_nodes(node))
        same_level = [child for child in children if _is_elif(node, child)]
        yield from _too_deep(same_level, depth)
        yield from _too_deep((c for c in children if c not in same_level), depth + deeper)


def _is_elif(parent: ast.AST, child: ast.AST) -> bool:
    return (
        isinstance(parent, ast.If)
        and isinstance(child, ast.If)
        and child in parent.orelse
        and child.col_offset == parent.col_offset
    )


def bare_assert(source: Source) -> Iterator[Complaint]:
    """Production code checks with `invariant(condition, "ID")`, which no option switches off."""
    for node in source.nodes if source.in_package else ():
        if isinstance(node, ast.Assert):
            yield node.lineno, 'use `invariant(condition, "ID", …)` instead of assert'


def printing(source: Source) -> Iterator[Complaint]:
    """Only commands print."""
    for node in source.nodes if source.in_package and source.layer != "cli" else ():
        if isinstance(node, ast.Call) and _name(node.func) == "print":
            yield node.lineno, "only the cli layer prints"


def broad_except(source: Source) -> Iterator[Complaint]:
    """Catching everything is for process boundaries, or for undoing and raising again."""
    for node in source.nodes if source.in_package else ():
        if not isinstance(node, ast.ExceptHandler) or source.path in PROCESS_BOUNDARIES:
            continue
        if _catches_everything(node) and not _raises_again(node):
            yield node.lineno, "catches everything outside of a process boundary"


def _catches_everything(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or _name(kind) in ("Exception", "BaseException") for kind in caught)


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def deterministic_core(source: Source) -> Iterator[Complaint]:
    """`base` … `worker` know no clock, randomness, environment or event loop."""
    for node in source.nodes if source.layer in CORE_LAYERS else ():
        for module in _imported_modules(source, node):
            reason = FORBIDDEN_IN_CORE.get(module.split(".")[0])
            if reason:
                yield getattr(node, "lineno", 0), f"import of {module}: {reason}"
        if isinstance(node, ast.Attribute):
            owner = _name(node.value)
            if node.attr in FORBIDDEN_ATTRIBUTES.get(owner, ()):
                yield node.lineno, f"{owner}.{node.attr}: what it gives is an argument"


def unfinished(source: Source) -> Iterator[Complaint]:
    """Unfinished work is in docs/status.md, not in comments."""
    for number, line in enumerate(source.text.splitlines(), 1):
        found = _UNFINISHED.search(line)
        if found:
            yield number, f"the marker {found.group()}"


def sleeping(source: Source) -> Iterator[Complaint]:
    """Tests wait on conditions; they never sleep."""
    for node in source.nodes if source.path.startswith("tests/") else ():
        if isinstance(node, ast.Call) and _name(node.func) == "sleep":
            is_zero = (
                node.args and isinstance(node.args[0], ast.Constant) and not node.args[0].value
            )
            if not is_zero:
                yield node.lineno, "a test waits on a condition instead of sleeping"


def module_docstring(source: Source) -> Iterator[Complaint]:
    """A module says its role, the invariants it keeps and what it must not do."""
    if source.text.strip() and not ast.get_docstring(source.tree):
        yield 1, "the module has no docstring"


def method_docstring(source: Source) -> Iterator[Complaint]:
    """A public method states its contract where it is first declared."""
    for node in source.nodes if source.in_package else ():
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_") or _overrides(node):
            continue
        for member in node.body:
            if not isinstance(member, Function) or member.name.startswith("_"):
                continue
            if not ast.get_docstring(member) and not _is_setter(member):
                yield member.lineno, f"{node.name}.{member.name} has no docstring"


def _overrides(node: ast.ClassDef) -> bool:
    """Whether the methods of a class may have been declared, with their contract, in a base."""
    bases = (base.value if isinstance(base, ast.Subscript) else base for base in node.bases)
    return any(_name(base) not in ("ABC", "Generic", "Protocol", "Record") for base in bases)


def _is_setter(function: Function) -> bool:
    return any(_name(decorator) == "setter" for decorator in function.decorator_list)


def silencers(source: Source) -> Iterator[Complaint]:
    """A silenced checker is silenced for one code and for a reason."""
    for number, line in enumerate(source.text.splitlines(), 1):
        found = _SILENCER.search(line)
        if (
            found
            and not _SILENCER_WITH_REASON.match(found["rest"])
            and not _in_text(source, number)
        ):
            yield number, "a silenced check needs a code and a reason: # type: ignore[code]  # Why."


def _in_text(source: Source, line: int) -> bool:
    """Whether that line lies in a text literal, where a silencer is only mentioned."""
    return any(
        isinstance(node, ast.Constant | ast.JoinedStr)
        and (isinstance(node, ast.JoinedStr) or isinstance(node.value, str))
        and node.lineno <= line <= (node.end_lineno or node.lineno)
        for node in source.nodes
    )


def known_invariants(source: Source) -> Iterator[Complaint]:
    """Every `invariant(condition, "ID")` names an entry of docs/invariants.md."""
    for node in source.nodes if source.in_package else ():
        if not (isinstance(node, ast.Call) and _name(node.func) == "invariant"):
            continue
        identifier = node.args[1] if len(node.args) > 1 else None
        value = identifier.value if isinstance(identifier, ast.Constant) else None
        if value is None:
            yield node.lineno, "the identifier must be written out as the second argument"
        elif value not in registered_invariants():
            yield node.lineno, f"invariant {value!r} is not in docs/invariants.md"


RULES: tuple[Rule, ...] = (
    function_length,
    file_length,
    parameters,
    nesting,
    bare_assert,
    printing,
    broad_except,
    deterministic_core,
    unfinished,
    sleeping,
    module_docstring,
    method_docstring,
    silencers,
    known_invariants,
)


def dead_modules(all_sources: Iterable[Source], entry_points: Iterable[str]) -> list[str]:
    """Modules of the package that nothing imports and that no entry point names.

    A text of the form ``catenula.a.b`` or ``catenula.a.b:c`` counts as an import, because lazy
    tables name modules so. Tests keep only the documented test tools alive.
    """
    everything = tuple(all_sources)
    package = [source for source in everything if source.in_package]
    used = set(entry_points)
    for source in everything:
        references = {name for node in source.nodes for name in _references(source, node)}
        references -= {source.module}
        used |= {name for name in references if source.in_package or ".testing" in name}
    return sorted(
        source.path for source in package if not source.is_package and source.module not in used
    )


def _references(source: Source, node: ast.AST) -> Iterator[str]:
    yield from _imported_modules(source, node)
    if isinstance(node, ast.ImportFrom):
        for module in _imported_modules(source, node):
            yield from (f"{module}.{alias.name}" for alias in node.names)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        found = re.fullmatch(r"(catenula(?:\.\w+)+)(?::\w+)?", node.value)
        if found:
            yield found.group(1)


def _imported_modules(source: Source, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.level == 0:
        yield node.module or ""
    elif isinstance(node, ast.ImportFrom):
        parts = source.module.split(".")
        kept = len(parts) - node.level + source.is_package
        yield ".".join([*parts[:kept], *([node.module] if node.module else [])])


def _name(node: ast.AST) -> str:
    """The last part of a dotted name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
