"""A wallet with many chains that pay at the same time; chains do not wait for each other.

    python many_chains.py [FAUCET_URL] [CHAINS]

Plain threads and no ``async``: a network may be used from any thread.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import catenula
from catenula.network import SyncChain
from catenula.protocol import ChainOwnership

BLOCKS_PER_CHAIN = 5


def main(faucet_url: str, count: int) -> None:
    with catenula.connect_sync(faucet_url) as network:
        wallet, till = network.wallet("payer"), network.wallet("till")
        ownership = ChainOwnership.single(wallet.owner)
        for _ in range(count):
            network.new_chain(wallet, ownership, tokens=1)
        payers = [chain for chain in wallet.chains() if chain.id != wallet.chain.id]
        before = till.chain.balance()

        def pay(chain: SyncChain) -> None:
            for _ in range(BLOCKS_PER_CHAIN):
                chain.transfer(till.chain, "0.1")

        started = time.perf_counter()
        with ThreadPoolExecutor(count) as threads:
            list(threads.map(pay, payers))
        seconds = time.perf_counter() - started
        print(f"{count * BLOCKS_PER_CHAIN} blocks in {seconds:.2f} s")
        till.chain.receive(bundles=count * BLOCKS_PER_CHAIN)
        print(f"the till got {till.chain.balance() - before} tokens")


if __name__ == "__main__":
    url = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8080"
    main(url, int(sys.argv[2]) if len(sys.argv) > 2 else 8)
