"""The global options about applications reach the client."""

import pytest

from catenula.cli import output, session
from catenula.client import Client, ClientSetup
from tests.cli.support import LocalNetwork


@pytest.mark.parametrize("is_given", [True, False])
def test_logs_and_long_lived_services_are_asked_for(
    network: LocalNetwork, monkeypatch: pytest.MonkeyPatch, is_given: bool
) -> None:
    made: list[Client] = []

    def make(setup: ClientSetup) -> Client:
        made.append(Client(setup))
        return made[-1]

    root = network.root_wallet()
    monkeypatch.setattr(session, "Client", make)
    options = ["--long-lived-services", "--with-application-logs"] if is_given else []
    result = root.run(*options, "query-balance")
    assert result.exit_code == 0
    for client in made:
        assert client.context.local.worker.config.long_lived_services is is_given
        client.application_log("hello", 2)
    assert made
    log = client.application_log
    assert (log.listener is not None) is is_given
    assert list(log.lines) == [(2, "hello")]


def test_a_logged_line_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_application_log("panicked at …", 0)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "error application: panicked at …\n")
