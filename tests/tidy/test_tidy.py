"""The sources keep the house rules (CONTRIBUTING.md), and the rules see what they should see."""

import re
import tomllib

import pytest

from tests.tidy import rules
from tests.tidy.sources import REPOSITORY, Source, registered_invariants, sources, text_files

# Written in pieces, so that this file is not its own finding.
MACHINE_PATHS = re.compile("/" + r"(root|work|home/\w+|Users)/|/tmp/" + "team")


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_sources_keep_rule(rule: rules.Rule) -> None:
    complaints = [
        f"{source.path}:{line}: {text}" for source in sources() for line, text in rule(source)
    ]
    assert not complaints, "\n".join([f"{rule.__doc__}", *complaints])


def test_no_module_is_dead() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    entry_points = [target.partition(":")[0] for target in project["scripts"].values()]
    assert rules.dead_modules(sources(), [*entry_points, "catenula.__main__"]) == []


def test_process_boundaries_are_needed() -> None:
    by_path = {source.path: source for source in sources()}
    for path in rules.PROCESS_BOUNDARIES:
        assert re.search("except (Base)?Exception", by_path[path].text), (
            f"{path} is listed without need"
        )


def test_no_machine_paths() -> None:
    findings = [
        f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if MACHINE_PATHS.search(line)
    ]
    assert findings == []


def test_invariants_are_registered_once() -> None:
    text = (REPOSITORY / "docs" / "invariants.md").read_text()
    rows = re.findall(r"^\| ([A-Z]+\d+) \|", text, re.MULTILINE)
    assert len(rows) == len(registered_invariants()) > 0


def test_every_invariant_has_a_test_that_names_it() -> None:
    text = "\n".join(
        source.text
        for source in sources()
        if source.path.startswith("tests/") and "/tidy/" not in source.path
    )
    named = set(re.findall(r"\b[A-Z]\d+\b", text))
    # The rows below "Liveness" are for simulations, which come later.
    missing = {name for name in registered_invariants() - named if not name.startswith("L")}
    assert missing == set()


DOCUMENTED = '"""A module."""\n'
CORE = "src/catenula/chain/example.py"
EDGE = "src/catenula/client/example.py"
TEST = "tests/chain/test_example.py"
LONG = "def f() -> None:\n" + "    x = 1\n" * 70
FOUR_DEEP = "def f() -> None:\n if a:\n  for b in c:\n   with d:\n    if e:\n     pass\n"
ELIF_CHAIN = (
    "def f() -> None:\n if a:\n  pass\n elif b:\n  pass\n elif c:\n  pass\n elif d:\n  pass\n"
)
REFUSED = [
    (rules.function_length, EDGE, LONG),
    (rules.file_length, EDGE, "x = 1\n" * 601),
    (rules.parameters, EDGE, "def f(a, b, *, c, d, e, g): ..."),
    (rules.parameters, EDGE, "def f(a, b, c, d): ..."),
    (rules.parameters, EDGE, "class A:\n def __init__(self, a, b, c, d): ..."),
    (rules.nesting, EDGE, FOUR_DEEP),
    (rules.bare_assert, EDGE, "assert x"),
    (rules.printing, EDGE, "print(1)"),
    (rules.broad_except, EDGE, "try:\n x()\nexcept Exception:\n pass"),
    (rules.broad_except, EDGE, "try:\n x()\nexcept (ValueError, BaseException):\n pass"),
    (rules.broad_except, EDGE, "try:\n x()\nexcept:\n pass"),
    (rules.deterministic_core, CORE, "import time"),
    (rules.deterministic_core, CORE, "from asyncio import Lock"),
    (rules.deterministic_core, CORE, "import os\nos.environ['A']"),
    (rules.deterministic_core, CORE, "import datetime\ndatetime.datetime.now()"),
    (rules.unfinished, TEST, "x = 1  # TO" + "DO later"),
    (rules.sleeping, TEST, "time.sleep(0.1)"),
    (rules.module_docstring, EDGE, "x = 1"),
    (rules.method_docstring, EDGE, "class A(Protocol):\n def f(self): ..."),
    (rules.silencers, EDGE, "x = 1  # type: " + "ignore"),
    (rules.silencers, EDGE, "x = 1  # type: " + "ignore[arg-type]"),
    (rules.silencers, EDGE, "x = 1  # no" + "qa"),
    (rules.known_invariants, CORE, 'invariant(x, "Q99")'),
    (rules.known_invariants, CORE, "invariant(x, name)"),
]
ACCEPTED = [
    (rules.function_length, EDGE, LONG.removesuffix("    x = 1\n")),
    (rules.parameters, EDGE, "class A:\n def f(self, a, b, *, c, d, e): ..."),
    (rules.parameters, EDGE, "def _f(a, b, c): ..."),
    (rules.parameters, "src/catenula/cli/x.py", "@group.command()\ndef f(a, b, c, d, e, g): ..."),
    (rules.nesting, EDGE, ELIF_CHAIN),
    (rules.bare_assert, TEST, "assert x"),
    (rules.printing, "src/catenula/cli/x.py", "print(1)"),
    (rules.broad_except, EDGE, "try:\n x()\nexcept BaseException:\n undo()\n raise"),
    (rules.deterministic_core, EDGE, "import time"),
    (rules.deterministic_core, CORE, "from datetime import datetime\ndatetime.fromtimestamp(0)"),
    (rules.sleeping, TEST, "asyncio.sleep(0)"),
    (rules.method_docstring, EDGE, "class A(Store):\n def f(self): ..."),
    (rules.silencers, EDGE, "x = 1  # type: " + "ignore[arg-type]  # The stub is wrong."),
    (rules.silencers, EDGE, "x = 1  # no" + "qa: E741  # The protocol's name."),
    (rules.known_invariants, CORE, 'invariant(x, "C1", round=1)'),
]


@pytest.mark.parametrize(("rule", "path", "text"), REFUSED)
def test_rule_refuses(rule: rules.Rule, path: str, text: str) -> None:
    assert list(rule(Source(path, text)))


@pytest.mark.parametrize(("rule", "path", "text"), ACCEPTED)
def test_rule_accepts(rule: rules.Rule, path: str, text: str) -> None:
    assert not list(rule(Source(path, DOCUMENTED + text)))


def test_dead_module_is_found() -> None:
    alive = Source("src/catenula/cli/main.py", 'A = "catenula.cli.tour:tour"')
    named = Source("src/catenula/cli/tour.py", "from ..chain import inbox")
    imported = Source("src/catenula/chain/inbox.py", "from catenula.chain import inbox")
    dead = Source("src/catenula/chain/outbox.py", "from catenula.chain import outbox")
    tested = Source("tests/chain/test_outbox.py", "from catenula.chain import outbox")
    everything = [alive, named, imported, dead, tested]
    assert rules.dead_modules(everything, ["catenula.cli.main"]) == [dead.path]
