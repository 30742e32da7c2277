"""Proposals that an honest client would not make, signed properly and put to every validator.

The client refuses to make them; here it is shown that the validators do not rely on that.
"""

from collections.abc import Sequence

from catenula.base.identifiers import AccountOwner, ChainId
from catenula.network.amounts import Tokens, amount_from
from catenula.network.chain import NetworkChain
from catenula.network.embedded_validator import EmbeddedValidator
from catenula.network.tour.stage import Stage
from catenula.network.wallet import NetworkWallet
from catenula.protocol import (
    Account,
    BlockProposal,
    ExecuteOperation,
    NodeErrorReceived,
    ProposalContent,
    ProposedBlock,
    Transaction,
    Transfer,
)
from catenula.protocol.node_error import describe_node_error

ACCEPTED = "accepted"


def payment(recipient: NetworkChain, tokens: Tokens) -> Transaction:
    """A transfer from the chain's own account to another chain."""
    account = Account.chain(recipient.id)
    return ExecuteOperation(Transfer(AccountOwner.CHAIN, account, amount_from(tokens)))


async def verdicts(
    stage: Stage, wallet: NetworkWallet, chain_id: ChainId, *, transactions: Sequence[Transaction]
) -> dict[str, str]:
    """What each running validator says to a block of these transactions, by its name."""
    await stage.network.settled()
    proposal = await _propose(stage.running[0], wallet, chain_id, transactions)
    found = {}
    for validator in stage.running:
        try:
            await validator.node.handle_block_proposal(proposal)
            found[validator.name] = ACCEPTED
        except NodeErrorReceived as refusal:
            found[validator.name] = describe_node_error(refusal.error)
    return found


async def _propose(
    validator: EmbeddedValidator,
    wallet: NetworkWallet,
    chain_id: ChainId,
    transactions: Sequence[Transaction],
) -> BlockProposal:
    chain, owner = validator.chain(chain_id), wallet.owner
    block = ProposedBlock(
        chain_id=chain_id,
        epoch=chain.epoch,
        transactions=tuple(transactions),
        height=chain.next_block_height,
        timestamp=wallet.client.context.clock.now(),
        authenticated_signer=owner,
        previous_block_hash=chain.tip.block_hash,
    )
    content = ProposalContent(block, chain.manager.current_round)
    return BlockProposal(content, await wallet.client.signer.sign(owner, content.hash))


def refused_by_all(found: dict[str, str], word: str) -> tuple[bool, str]:
    """Whether every validator refused with a reason that names ``word``, and the reasons."""
    ok = bool(found) and all(word in reason for reason in found.values())
    reasons = sorted(set(found.values()))
    if ok and len(reasons) == 1:
        return True, f"{len(found)} validators: {reasons[0]}"
    return ok, "; ".join(f"{name}: {reason}" for name, reason in found.items())
