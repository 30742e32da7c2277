"""The documents are true where that can be checked: snippets run, links lead somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.process.net import NetUp

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [
        *REPOSITORY.glob("*.md"),
        *REPOSITORY.glob("docs/**/*.md"),
        *REPOSITORY.glob("examples/**/*.md"),
    ]
)
FAUCET_URL = "http://localhost:8080"
SNIPPET = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")


def snippets() -> list[tuple[str, str]]:
    return [
        (f"{document.relative_to(REPOSITORY)}-{number}", text)
        for document in DOCUMENTS
        for number, text in enumerate(SNIPPET.findall(document.read_text()), 1)
    ]


def is_remote(text: str) -> bool:
    return FAUCET_URL in text


LOCAL = [(name, text) for name, text in snippets() if not is_remote(text)]
REMOTE = [(name, text) for name, text in snippets() if is_remote(text)]


@pytest.mark.parametrize(("name", "text"), LOCAL, ids=[name for name, _ in LOCAL])
def test_python_snippet_runs(name: str, text: str) -> None:
    exec(compile(text, name, "exec"), {"__name__": "__main__"})


@pytest.fixture(scope="module")
def faucet_url() -> Iterator[str]:
    port = free_port()
    with NetUp("--with-faucet", "--faucet-port", str(port)):
        yield f"http://localhost:{port}"


@pytest.mark.process
@pytest.mark.parametrize(("name", "text"), REMOTE, ids=[name for name, _ in REMOTE])
def test_python_snippet_runs_on_a_network_elsewhere(name: str, text: str, faucet_url: str) -> None:
    text = text.replace(FAUCET_URL, faucet_url)
    exec(compile(text, name, "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_lead_somewhere(document: Path) -> None:
    targets = LINK.findall(document.read_text())
    assert [target for target in targets if not (document.parent / target).exists()] == []
