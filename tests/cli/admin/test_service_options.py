"""What ``catenula service`` refuses before it starts."""

from pathlib import Path

import pytest

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
