"""The fourth part of the tour: a public chain, run by the validators themselves."""

from catenula.base.identifiers import AccountOwner, ChainId
from catenula.base.integers import TimeDelta
from catenula.network.tour.stage import Stage, block_on
from catenula.protocol import ChainOwnership, Round, TimeoutConfig

ROUND_SECONDS = 0.5
"""How long the leader of a round may be silent; short, so that the tour is."""

_ROUND = TimeDelta(int(ROUND_SECONDS * 1_000_000))


async def run_public_chain(stage: Stage) -> None:
    """No owners: validators propose in turn, and pass over a dead leader."""
    network, alice = stage.network, stage.alice
    ownership = ChainOwnership(
        timeout_config=TimeoutConfig(
            base_timeout=_ROUND, timeout_increment=_ROUND, fallback_duration=TimeDelta(0)
        )
    )
    description, _ = await alice.chain.open_chain(ownership)
    public = description.chain_id
    await alice.chain.transfer(public, 5)
    await network.wait_for_height(public, 1)
    await stage.holds("the public chain, which took in a message by itself,", public, 5)
    proposer, round_ = _proposal_of(stage, public)
    stage.claim("proposed by", round_.is_validator, f"{proposer} in {round_}")
    leader = next(
        index
        for index, validator in enumerate(network.validators)
        if validator.name == _leader_of(stage, public)
    )
    await network.stop_validator(leader)
    await alice.chain.transfer(public, 2)
    await network.wait_for_height(public, 2)
    await stage.holds("with the next leader dead, it", public, 7)
    proposer, round_ = _proposal_of(stage, public)
    dead = network.validators[leader].name
    ok = round_ > Round.validator(0) and proposer != dead
    stage.claim("another validator proposed", ok, f"{proposer} instead of {dead}, in {round_}")
    await network.start_validator(leader)


def _leader_of(stage: Stage, chain_id: ChainId) -> str:
    """The validator that leads the first round of the chain's next height."""
    rules = stage.running[0].chain(chain_id).manager.rules
    leader = rules.leader(Round.validator(0))
    return _name_of(stage, leader)


def _proposal_of(stage: Stage, chain_id: ChainId) -> tuple[str, Round]:
    """Who proposed the chain's last block, and in which round it was confirmed."""
    certificate = block_on(stage.running[0], chain_id)
    if certificate is None:
        return "nobody", Round.FAST
    return _name_of(stage, certificate.block.header.authenticated_signer), certificate.round


def _name_of(stage: Stage, account: AccountOwner | None) -> str:
    """The validator whose account this is."""
    for validator in stage.network.validators:
        if validator.keys.account.owner() == account:
            return validator.name
    return f"no validator ({account})"
