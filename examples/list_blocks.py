"""Every block of a chain as one line of JSON: hash, time, messages and operations.

    python list_blocks.py CHAIN_ID [FAUCET_URL] [FOLDER] > blocks.jsonl

With a folder the blocks are kept there, and the next run fetches only what is new.
"""

import json
import sys

import catenula
from catenula.base.identifiers import ChainId
from catenula.protocol import Block, ExecuteOperation


def row(block: Block) -> dict[str, object]:
    """What data people want to know of a block."""
    transactions = block.body.transactions
    operations = [each.operation for each in transactions if isinstance(each, ExecuteOperation)]
    return {
        "height": int(block.height),
        "hash": str(block.hash),
        "timestamp_us": int(block.header.timestamp),
        "received": [str(bundle.origin) for bundle in block.proposed.incoming_bundles()],
        "operations": [type(operation).__name__ for operation in operations],
        "sent_messages": sum(len(messages) for messages in block.body.messages),
    }


def main(chain_id: ChainId, faucet_url: str, folder: str | None) -> None:
    with catenula.connect_sync(faucet_url, folder=folder) as network:
        chain = network.wallet("reader").follow(chain_id)
        chain.synchronize()
        for block in chain.blocks():
            print(json.dumps(row(block)))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    url = sys.argv[2] if len(sys.argv) > 2 else "http://localhost:8080"
    main(ChainId.parse(sys.argv[1]), url, sys.argv[3] if len(sys.argv) > 3 else None)
