"""The API without ``async``: the same methods, the same results, and a clean end."""

import asyncio
import inspect
import os
import signal
import threading
from decimal import Decimal

import pytest

from catenula.base.errors import LocalError
from catenula.client import ClientError
from catenula.network import (
    Network,
    NetworkChain,
    NetworkWallet,
    SyncChain,
    SyncNetwork,
    SyncWallet,
)
from catenula.network.loop_thread import LoopThread
from catenula.protocol import ChainOwnership
from tests.network.support import balances

PAIRS = [(SyncNetwork, Network), (SyncWallet, NetworkWallet), (SyncChain, NetworkChain)]
NOT_MIRRORED = {
    SyncNetwork: {"start", "validators"},  # The constructor, and `inspect`.
    SyncWallet: {"changes_of", "subscribe", "close"},  # For the network itself.
    SyncChain: set[str](),
}


def public_methods(kind: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(member)
        for name, member in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


@pytest.mark.parametrize(("mirror", "original"), PAIRS)
def test_every_method_is_mirrored_with_its_parameters(mirror: type, original: type) -> None:
    mirrored, wanted = public_methods(mirror), public_methods(original)
    assert set(wanted) - set(mirrored) <= NOT_MIRRORED[mirror]
    for name in set(wanted) & set(mirrored):
        assert list(mirrored[name].parameters) == list(wanted[name].parameters), name


def test_main_job_without_async() -> None:
    with SyncNetwork() as network:
        alice, bob = network.wallet("alice", 10), network.wallet("bob")
        shared_id = network.new_chain(alice, ChainOwnership.multiple((alice.owner, bob.owner)), 3)
        alice.chain.transfer(bob.chain, "2.5")
        assert len(bob.chain.receive()) == 1
        bob.take(shared_id).transfer(bob.chain, 1)
        alice.handle(shared_id).close()
        network.settled()
        assert network.inspect(lambda inside: balances(inside, shared_id)) == {Decimal(2)}
        assert bob.chain.process_inbox()
        assert bob.chain.balance() == Decimal("3.5")
        assert {chain.id for chain in alice.chains()} == {alice.chain.id, shared_id}
        alice.handle(shared_id).synchronize()
        assert alice.handle(shared_id).is_closed()


def test_errors_come_through() -> None:
    with SyncNetwork() as network:
        alice = network.wallet("alice", 10)
        with pytest.raises(ClientError) as caught:
            alice.chain.transfer(alice.chain, 11)
        assert caught.value.code == "Overdraft"


def test_several_threads_may_use_it() -> None:
    with SyncNetwork() as network:
        wallets = [network.wallet(f"user-{number}", 10) for number in range(4)]

        def spend(wallet: SyncWallet) -> None:
            for _ in range(3):
                wallet.chain.transfer(wallets[0].chain, 1)

        threads = [threading.Thread(target=spend, args=(wallet,)) for wallet in wallets[1:]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wallets[0].chain.receive(9)
        assert wallets[0].chain.balance() == 19


def test_closed_network_says_so() -> None:
    network = SyncNetwork(validators=1)
    alice = network.wallet("alice")
    network.close()
    network.close()
    with pytest.raises(LocalError, match="the network is closed"):
        alice.chain.balance()


def test_refused_start_leaves_no_thread() -> None:
    before = threading.active_count()
    with pytest.raises(LocalError):
        SyncNetwork(validators=0)
    assert threading.active_count() == before


@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals need the main thread"
)
def test_interrupt_cancels_the_call_and_waits_for_its_end() -> None:
    thread, ended = LoopThread("test"), []
    # Whoever starts the tests in the background of a script has Ctrl-C ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    async def interrupted() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    try:
        with pytest.raises(KeyboardInterrupt):
            thread.run(interrupted())
        assert ended == [True]
        assert thread.call(lambda: "still usable") == "still usable"
    finally:
        signal.signal(signal.SIGINT, before)
        thread.close()


def test_call_from_the_networks_own_thread_is_refused() -> None:
    with SyncNetwork(validators=1) as network:
        alice = network.wallet("alice")
        with pytest.raises(LocalError, match="its own thread"):
            network.inspect(lambda _: alice.chain.balance())
