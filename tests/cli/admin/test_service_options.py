"""What ``catenula service`` refuses before it starts, and how it counts the chains it serves."""

from pathlib import Path

import pytest

from catenula.cli.admin.service import chains_in_words
from catenula.client.files.wallet_json import ChainEntry
from tests.cli.support import CommandLine

APPLICATION = "ab" * 32


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--operators", "translate=/nowhere/at/all"], "that can be run"),
        (["--operators", "=/bin/cat"], "that can be run"),
        (["--operator-application-ids", f"{APPLICATION},zz"], "list of application ids"),
        (["--controller-id", "zz"], "not an application id"),
        (["--read-only", "--controller-id", APPLICATION], "cannot carry out tasks"),
        (["--read-only", "--operator-application-ids", APPLICATION], "cannot carry out tasks"),
    ],
)
def test_options_that_cannot_work_are_wrong_usage(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    result = CommandLine(tmp_path).run("service", *arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("own", "followed", "words"),
    [
        (1, 0, "1 own chain"),
        (1, 1, "1 own chain and 1 followed"),
        (2, 3, "2 own chains and 3 followed"),
        (0, 1, "0 own chains and 1 followed"),
    ],
)
def test_chains_that_are_only_followed_are_told_apart(own: int, followed: int, words: str) -> None:
    entries = [ChainEntry(owner, None, 0, 0) for owner in ("0x00",) * own + (None,) * followed]
    assert chains_in_words(entries) == words
