"""What the tidy rules look at: every Python source once, read and parsed."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "src"
CORE_LAYERS = frozenset(
    {"base", "protocol", "storage", "views", "execution", "chain", "worker"},
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One Python file: its path below the repository and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree."""
        return list(ast.walk(self.tree))

    @property
    def in_package(self) -> bool:
        """Whether this is production code."""
        return self.path.startswith("src/")

    @property
    def layer(self) -> str:
        """Name of the layer below ``src/catenula``, or an empty text outside of one."""
        parts = self.path.split("/")
        return parts[2] if self.in_package and len(parts) > 3 else ""

    @property
    def module(self) -> str:
        """The dotted name by which this file is imported."""
        path = self.path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__")
        return path.replace("/", ".")

    @property
    def is_package(self) -> bool:
        """Whether this file is the ``__init__`` of a folder."""
        return self.path.endswith("__init__.py")

    def functions(self) -> Iterator[tuple[Function, bool]]:
        """Every function, and whether it is a method that receives its object or class."""
        methods = {
            id(member)
            for node in self.nodes
            if isinstance(node, ast.ClassDef)
            for member in node.body
            if isinstance(member, Function) and not _is_static(member)
        }
        for node in self.nodes:
            if isinstance(node, Function):
                yield node, id(node) in methods


def _is_static(function: Function) -> bool:
    return any(
        isinstance(decorator, ast.Name) and decorator.id == "staticmethod"
        for decorator in function.decorator_list
    )


@cache
def sources() -> tuple[Source, ...]:
    """Every Python file that people wrote; generated modules are left out."""
    folders = ("src", "tests", "benchmarks", "examples", "tools")
    paths = sorted(path for folder in folders for path in (REPOSITORY / folder).rglob("*.py"))
    return tuple(
        Source(str(path.relative_to(REPOSITORY)), path.read_text(encoding="utf-8"))
        for path in paths
        if not path.name.endswith(("_pb2.py", "compiled_declarations.py"))
    )


@cache
def registered_invariants() -> frozenset[str]:
    """Identifiers of the rows of ``docs/invariants.md``."""
    text = (REPOSITORY / "docs" / "invariants.md").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^\| ([A-Z]+\d+) \|", text, re.MULTILINE))


@cache
def text_files() -> tuple[Path, ...]:
    """Files that people read and machines run: prose, build files, sources; no recorded data."""
    patterns = ("*.md", "*.toml", "Makefile", ".ci/*", "tools/*", "docs/**/*.md", "src/**/*.py")
    return tuple(
        path
        for pattern in (*patterns, "tests/**/*.py")
        for path in sorted(REPOSITORY.glob(pattern))
        if path.is_file()
    )
