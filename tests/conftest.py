"""Shared by all tests: where recordings lie, how long to look for trouble."""

import pkgutil
import sys
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import catenula
from catenula.base.limits import MIN_RECURSION_LIMIT

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED_VECTORS = REPOSITORY.parent / "shared" / "vectors"
RECORDED = REPOSITORY / "tests" / "conformance" / "data"

# Two busy cores make single examples slow without anything being wrong with them.
_PATIENT = [HealthCheck.too_slow]
# The same examples in every run, so that nobody's change fails for what it did not do.
settings.register_profile(
    "default",
    deadline=None,
    print_blob=True,
    suppress_health_check=_PATIENT,
    max_examples=60,
    derandomize=True,
)
settings.register_profile(
    "soak", settings.get_profile("default"), max_examples=3000, derandomize=False
)
settings.register_profile("fuzz", settings.get_profile("soak"), max_examples=600)
settings.load_profile("default")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that make some tests look longer."""
    parser.addoption(
        "--kills", type=int, default=5, help="how often tests/process kills a process per engine"
    )


def pytest_sessionstart() -> None:
    """Load every module now, and make the stack as deep as the engine makes it.

    Hypothesis makes use of the constants in the modules that are loaded; one that is loaded in the
    middle of a test would make the runs of one example differ (`FlakyStrategyDefinition`). Nor may
    a test change the recursion limit, which the first engine of a process does.
    """
    sys.setrecursionlimit(max(sys.getrecursionlimit(), MIN_RECURSION_LIMIT))
    for module in pkgutil.walk_packages(catenula.__path__, "catenula."):
        if not module.name.endswith("__main__"):
            import_module(module.name)


def pytest_report_header() -> str:
    """Say at the top of every run which recordings it can use."""
    presence = "present" if SHARED_VECTORS.is_dir() else "ABSENT: only the committed selection"
    return f"recordings of the reference in ../shared: {presence}"


@pytest.fixture(scope="session")
def kills(request: pytest.FixtureRequest) -> int:
    """How many times a test under load kills its process: 5, or ``--kills N``."""
    number: int = request.config.getoption("--kills")
    return number


@pytest.fixture(scope="session")
def shared_vectors() -> Path:
    """The folder of the full recordings; the test is skipped where they are absent."""
    if not SHARED_VECTORS.is_dir():
        pytest.skip("the full recordings (../shared/vectors) are not here")
    return SHARED_VECTORS


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The folder of the selection of recordings that this repository carries."""
    return RECORDED
