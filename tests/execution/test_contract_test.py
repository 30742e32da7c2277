"""`ContractTest` without an application: its chains and their time."""

from catenula.testing.contracts import ContractTest


def test_time_moves_on_all_chains_and_on_those_to_come() -> None:
    test = ContractTest()
    other = test.open_chain()
    test.set_time(5_000_000)
    chains = (test.chain, other, test.open_chain())
    assert {chain.propose().timestamp for chain in chains} == {5_000_000}
    assert test.world.oracles.local_time() == 5_000_000


def test_backdated_blocks_keep_their_time() -> None:
    test = ContractTest()
    before = test.chain.propose().timestamp
    test.set_time(5_000_000, is_backdated=True)
    assert test.chain.propose().timestamp == before
    assert test.world.oracles.local_time() == 5_000_000
