"""Reports about validators, in the reference's words."""

import json
import re
from pathlib import Path

from tests.cli.admin.support import AdministeredNetwork, address_of

_VERSION = """\
Linera protocol: v0.15.21
RPC API hash: e/NuQLL2/mszXqmWtKFLtEZFzNFucMnwu0cqLYnn1Fo
GraphQL API hash: JKcKZ396jvqAUufm0H4wEneKppe+c8npDc+Evs99fqk
WIT API hash: vLBDK3ZORkwFJX1WI+P0neR3xZNtvhufYjvfROgBR3QM
Source code: https://github.com/linera-io/linera-protocol/tree/v0.15.21
"""


def _keys(network: AdministeredNetwork) -> list[str]:
    return [str(key) for key in network.embedded.genesis.committee.validators]


def test_list_has_the_form_of_the_reference(administered: AdministeredNetwork) -> None:
    network = administered
    admin, other, _ = network.chains
    network.admin("transfer", "--from", admin, "--to", other, "1")
    text = network.admin("validator", "list")
    pattern = (
        rf"Querying validators about chain {admin}\.\n\nLocal Node:\n{re.escape(_VERSION)}"
        r"Genesis config hash: [0-9a-f]{64}\nBlock hash: [0-9a-f]{64}\nNext height: 1\n"
        r"Timestamp: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\nEpoch: 0\n"
        r"Round: multi-leader round 0\n\n"
        r"(Public key: [0-9a-f]{66}\nAddress: grpc:[^\n]+\nWeight: 100\n\n){4}"
    )
    assert re.fullmatch(pattern, text)
    assert re.findall(r"Public key: (\w+)", text) == _keys(network)


def test_list_can_leave_out_the_light_ones(administered: AdministeredNetwork) -> None:
    text = administered.admin("validator", "list", "--min-votes", "101")
    assert "Local Node:" in text
    assert "Public key:" not in text


def test_list_tells_which_validators_are_faulty(administered: AdministeredNetwork) -> None:
    network = administered
    network.admin("validator", "list")
    network.run(network.embedded.validators[1].stop())
    key = str(network.embedded.validators[1].keys.consensus.public_key())
    result = network.admin.run("validator", "list")
    assert result.exit_code == 1
    assert result.stdout.endswith(
        f"\n\nFaulty validators:\n  {key} at {address_of(1)}: 3 error(s)\n"
    )


def test_query_without_and_with_the_right_and_a_wrong_key(
    administered: AdministeredNetwork,
) -> None:
    network = administered
    keys = [str(item.keys.consensus.public_key()) for item in network.embedded.validators]
    plain = network.admin.run("validator", "query", address_of(0))
    assert plain.exit_code == 0
    assert plain.stdout.startswith(
        f"Querying validator about chain {network.chains[0]}.\n\nAddress: {address_of(0)}\n"
    )
    assert "not checked" in plain.stderr
    right = network.admin("validator", "query", address_of(0), "--public-key", keys[0])
    assert f"Public key: {keys[0]}\nAddress: {address_of(0)}\n" in right
    wrong = network.admin.run("validator", "query", address_of(0), "--public-key", keys[1])
    assert wrong.exit_code == 1
    assert wrong.stdout.endswith(
        f"Error getting chain info: Signature for public key {keys[1]} is invalid.\n\n"
    )


def test_a_wrong_address_is_refused_before_anything_is_printed(
    administered: AdministeredNetwork,
) -> None:
    result = administered.admin.run("validator", "query", "http://localhost")
    assert (result.exit_code, result.stdout) == (1, "")


def test_batch_query_asks_all_of_a_file(administered: AdministeredNetwork, tmp_path: Path) -> None:
    network = administered
    validators = network.embedded.validators[:2]
    members = [
        {
            "publicKey": str(item.keys.consensus.public_key()),
            "accountKey": {"Ed25519": str(item.keys.account.public_key().key)},
            "networkAddress": address_of(index),
        }
        for index, item in enumerate(validators)
    ]
    file = tmp_path / "q.json"
    file.write_text(json.dumps({"validators": members}))
    text = network.admin("validator", "batch-query", str(file))
    assert text.startswith(f"Querying 2 validators about chain {network.chains[0]}.\n\n")
    assert text.count("Round: multi-leader round 0\n\n") == 2
    del members[0]["accountKey"]
    file.write_text(json.dumps({"validators": members}))
    refused = network.admin.run("validator", "batch-query", str(file))
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "accountKey" in refused.stderr


def test_compare_shows_who_is_behind(administered: AdministeredNetwork) -> None:
    network = administered
    admin, other, _ = network.chains
    line = network.admin
    same = line.json("validator", "compare")
    assert same["differences"] == []
    assert len(same["views"]) == 5
    late = network.embedded.validators[3]
    network.run(late.stop())
    line("transfer", "--from", admin, "--to", other, "1")
    late.start()
    result = line.run("validator", "compare")
    assert result.exit_code == 1
    paragraph = result.stdout.split(address_of(3))[1].split("\n\n")[0]
    assert "* next height: 0" in paragraph
    strange = line.json("validator", "compare", address_of(4), "--chain-id", network.chains[2])
    assert strange["views"][1]["public_key"] is None
    one = line.run("validator", "compare", address_of(0), "--json")
    assert one.exit_code == 0
    assert [view["name"] for view in json.loads(one.stdout)["views"]] == [
        "this wallet",
        address_of(0),
    ]


def test_query_block_prints_one_block(administered: AdministeredNetwork) -> None:
    network = administered
    admin, other, _ = network.chains
    network.admin("transfer", "--from", admin, "--to", other, "1")
    text = network.admin("validator", "query-block", address_of(0), "--height", "0")
    line = f"Querying validator about the certificate for height 0 on the chain {admin}.\n\n"
    assert text.startswith(f"{line}ConfirmedBlock(\n    Hashed {{\n        value: Block {{\n")
    block_hash = network.admin.json("wallet", "show", admin)[0]["block_hash"]
    assert text.endswith(f"        hash: {block_hash},\n    }},\n)\n")
    data = network.admin.json("validator", "query-block", address_of(0), "--height", "0")
    assert data["hash"] == block_hash
    absent = network.admin.run("validator", "query-block", address_of(0), "--height", "9999")
    assert absent.exit_code == 101
    assert absent.stdout == line.replace("height 0", "height 9999")
