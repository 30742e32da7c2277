"""Modules and applications on the command line, with our example applications."""

import json
from pathlib import Path

import pytest

from tests.cli.support import CommandLine, LocalNetwork

EXAMPLES = Path(__file__).parents[2] / "examples" / "applications"
COUNTER = (
    str(EXAMPLES / "counter" / "counter_contract.wasm"),
    str(EXAMPLES / "counter" / "counter_service.wasm"),
)
PARAMETERS = ("--json-parameters", '{ "limit": 10 }')
NO_APPLICATION = "ab" * 32


def add(amount: int) -> str:
    """The counter's operation that counts on, in hex."""
    return (b"\x00" + amount.to_bytes(8, "little")).hex()


def create(line: CommandLine, *options: str) -> str:
    """A counter on the default chain; its id."""
    return line("publish-and-create", *COUNTER, *PARAMETERS, "--json-argument", "5", *options)


def test_module_is_published_and_an_application_made_of_it(network: LocalNetwork) -> None:
    root = network.root_wallet()
    published = root.json("publish-module", *COUNTER)
    module = published["module_id"]
    assert published["block"]["height"] == 0
    created = root.json("create-application", module, *PARAMETERS, "--json-argument", "5")
    assert created["block"]["height"] == 1
    described = root.json("describe-application", created["application_id"])
    assert described["module_id"] == module
    assert described["creator_chain_id"] == published["block"]["chain_id"]
    assert bytes(described["parameters"]) == b'{"limit":10}'
    printed = json.loads(root("describe-application", created["application_id"]))
    assert printed == described


def test_operations_give_results_and_refusals_change_nothing(network: LocalNetwork) -> None:
    root = network.root_wallet()
    counter = create(root).strip()
    operate = ("execute-operation", "--application-id", counter, "--operation")
    assert root(*operate, add(2)) == ""
    refused = root.run(*operate, add(4))
    assert refused.exit_code == 1
    done = root.json(*operate, add(3))
    assert done["results"] == [(10).to_bytes(8, "little").hex()]
    assert done["block"]["height"] == 3


def test_dry_runs_make_no_blocks(network: LocalNetwork) -> None:
    root = network.root_wallet()
    tried = root.json(
        "publish-and-create", *COUNTER, *PARAMETERS, "--json-argument", "5", "--dry-run"
    )
    assert tried["operations"] == ["PublishModule"]
    assert (tried["then"]["height"], tried["then"]["operations"]) == (1, ["CreateApplication"])
    assert tried["then"]["wasm_fuel"] > 0
    refused = root.run(
        "publish-and-create", *COUNTER, *PARAMETERS, "--json-argument", "50000", "--dry-run"
    )
    assert refused.exit_code == 1, "The counter may not begin beyond its limit."
    assert root.json("publish-module", *COUNTER, "--dry-run")["operations"] == ["PublishModule"]
    assert root.json("publish-module", *COUNTER)["block"]["height"] == 0


def test_argument_and_parameters_may_lie_in_files(network: LocalNetwork, tmp_path: Path) -> None:
    root = network.root_wallet()
    parameters, argument = tmp_path / "parameters.json", tmp_path / "argument.json"
    parameters.write_text('{"limit":\n 7}')
    argument.write_text("7")
    paths = ("--json-parameters-path", str(parameters), "--json-argument-path", str(argument))
    counter = root("publish-and-create", *COUNTER, *paths).strip()
    described = root.json("describe-application", counter)
    assert bytes(described["parameters"]) == b'{"limit":7}'


@pytest.mark.parametrize(
    ("arguments", "exit_code", "told"),
    [
        (("publish-module", "absent.wasm", "absent.wasm"), 1, "absent.wasm"),
        (("create-application", "zz"), 2, "module id"),
        (("create-application", "00" * 65), 1, ""),
        (("create-application", "00" * 65, "--json-argument", "{"), 2, "JSON"),
        (("describe-application", NO_APPLICATION), 1, NO_APPLICATION),
        (("publish-and-create", __file__, __file__), 1, ""),
        (
            ("execute-operation", "--application-id", NO_APPLICATION, "--operation", "0"),
            1,
            "--operation '0' is not in hex: pairs of hexadecimal digits are expected",
        ),
    ],
)
def test_failures_end_as_the_reference_does(
    network: LocalNetwork, arguments: tuple[str, ...], exit_code: int, told: str
) -> None:
    result = network.root_wallet().run(*arguments)
    assert result.exit_code == exit_code, result.output
    assert told in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("publish-module", ()),
        ("publish-and-create", ()),
        ("publish-module-with-formats", (__file__, NO_APPLICATION)),
    ],
)
def test_modules_that_cannot_run_are_not_published(
    network: LocalNetwork, command: str, more: tuple[str, ...]
) -> None:
    root = network.root_wallet()
    contract, service = COUNTER
    for files, told in (
        ((service, contract), "The two files seem to be swapped"),
        ((__file__, service), "The contract can run on no node"),
        ((contract, __file__), "The service can run on no node"),
    ):
        result = root.run(command, *files, *more)
        assert (result.exit_code, result.stdout) == (1, "")
        assert told in result.stderr
    assert root.json("wallet", "show")[0]["next_block_height"] == 0


def test_modules_without_the_entry_points_are_not_published(
    network: LocalNetwork, tmp_path: Path
) -> None:
    root, empty = network.root_wallet(), tmp_path / "empty.wasm"
    empty.write_bytes(b"\0asm\x01\0\0\0")
    for files, told in (
        ((str(empty), COUNTER[1]), "The contract can run on no node"),
        ((COUNTER[0], str(empty)), "The service can run on no node"),
    ):
        result = root.run("publish-module", *files)
        assert (result.exit_code, result.stdout) == (1, "")
        assert told in result.stderr
        assert "it does not export memory" in result.stderr


def test_a_module_is_published_unchecked_on_demand(network: LocalNetwork) -> None:
    root = network.root_wallet()
    module = root("publish-module", __file__, __file__, "--unchecked").strip()
    assert root.run("create-application", module).exit_code == 1
    assert root.json("wallet", "show")[0]["next_block_height"] == 1


def test_formats_need_a_registry_that_takes_them(network: LocalNetwork, tmp_path: Path) -> None:
    root = network.root_wallet()
    counter = create(root).strip()
    formats = tmp_path / "formats.json"
    formats.write_text("{}")
    publish = ("publish-module-with-formats", *COUNTER, str(formats), counter)
    for arguments in ((*publish, "--dry-run"), publish):
        result = root.run(*arguments)
        assert result.exit_code == 1, "A counter is no registry of formats."


def test_the_policy_about_messages_may_name_applications(network: LocalNetwork) -> None:
    root = network.root_wallet()
    counter = create(root).strip()
    sender, recipient = network.chains[1], network.chains[0]
    root("transfer", "--from", sender, "--to", recipient, "3")
    only = ("--reject-message-bundles-without-application-ids", f"User:{counter}")
    root("sync", recipient)
    assert json.loads(root("process-inbox", recipient, "--json", *only)) == []
    assert len(json.loads(root("process-inbox", recipient, "--json"))) == 1


def test_timings_go_to_standard_error(network: LocalNetwork) -> None:
    root = network.root_wallet()
    told = root.run("--timings", "publish-module", *COUNTER)
    parts = [line.split(" ms  ")[1] for line in told.stderr.splitlines()]
    assert parts == ["making a block", "the whole command"]
    assert len(told.stdout.split()) == 1


def test_an_unknown_engine_is_wrong_usage(network: LocalNetwork) -> None:
    root = network.root_wallet()
    assert root.run("--wasm-runtime", "wasmer", "local-balance").exit_code == 0
    assert root.run("--wasm-runtime", "abacus", "local-balance").exit_code == 2
