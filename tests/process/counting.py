"""A process that counts on with an application, on a network that lives in one folder.

Started as ``python -m tests.process.counting FOLDER ENGINE`` it prints the number it finds on the
chain, then counts on by one per block and prints each number after its block is final, until it is
killed. With ``--steps N`` it stops after N blocks.
"""

import argparse
import json
import sys
from pathlib import Path

from catenula.base.identifiers import ApplicationId
from catenula.network import SyncNetwork
from catenula.network.example_applications import example_module
from catenula.network.sync import SyncChain

ADD_ONE = b"\x00" + (1).to_bytes(8, "little")
QUESTION = json.dumps({"query": "{ value }"}).encode()


def application_in(folder: Path, chain: SyncChain) -> ApplicationId:
    """The counter of this folder; the first run creates it."""
    file = folder / "application"
    if file.exists():
        return ApplicationId.parse(file.read_text())
    module = example_module("counter")
    created = chain.publish_and_create(
        module.contract, module.service, parameters=b'{"limit":1000000}', argument=b"0"
    )
    file.write_text(str(created))
    return created


def value(chain: SyncChain, application_id: ApplicationId) -> int:
    """The number on the chain."""
    answer = json.loads(chain.query(application_id, QUESTION).response)
    return int(answer["data"]["value"])


def _say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read the arguments and count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("engine")
    parser.add_argument("--steps", type=int)
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    with SyncNetwork(folder=folder / "network", engine=arguments.engine) as network:
        chain = network.wallet("alice", tokens=10).chain
        application_id = application_in(folder, chain)
        # Finishes a block that was in flight when an earlier process was killed.
        chain.process_inbox()
        found = value(chain, application_id)
        _say("found", found)
        while arguments.steps is None or arguments.steps > 0:
            chain.operate(application_id, ADD_ONE)
            found += 1
            _say("counted", found)
            if arguments.steps is not None:
                arguments.steps -= 1
        network.settled()
        _say(
            "agreed",
            len(
                set(
                    network.inspect(
                        lambda inside: [
                            validator.chain(chain.id).state_hash for validator in inside.validators
                        ]
                    )
                )
            ),
        )


if __name__ == "__main__":
    main()
