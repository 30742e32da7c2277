"""Leaving a round whose leader is silent (spec 07 §8, 05 §8.3)."""

from catenula.base.identifiers import ChainId
from catenula.client.background import Update
from catenula.client.context import ClientContext
from catenula.client.errors import Explanation, NoQuorum, Reason
from catenula.client.finalize import request_timeout_vote
from catenula.client.quorum import Counting, communicate_with_quorum
from catenula.client.remote_node import RemoteNode
from catenula.client.votes import signatures_of, vote_key, vote_verifier
from catenula.protocol import CertificateKind, LiteVote, Timeout, TimeoutCertificate


async def request_leader_timeout(context: ClientContext, chain_id: ChainId) -> TimeoutCertificate:
    """Collect a quorum of timeout votes for the current round and leave it.

    Raises `NoQuorum`. The validators learn of it in the background.
    """
    chain = context.local.chain(chain_id)
    height, round_ = chain.next_block_height, chain.manager.current_round
    timeout = Timeout(chain_id, height, chain.epoch)
    committee = chain.current_committee()
    nodes = context.validators.of(committee)
    place = Explanation("The round did not time out", chain_id, height, round_)

    async def ask(remote: RemoteNode) -> LiteVote:
        return await request_timeout_vote(
            context, remote, chain_id=chain_id, height=height, round_=round_
        )

    try:
        agreement = await communicate_with_quorum(
            nodes,
            committee,
            action=ask,
            counting=Counting(vote_key, vote_verifier(context)),
            patience=context.patience,
        )
    except NoQuorum as failed:
        raise failed.at(place) from failed
    if agreement.key != (timeout.hash, round_, CertificateKind.TIMEOUT):
        raise NoQuorum(
            Explanation(
                "The validators timed out something else than the current round",
                chain_id,
                height,
                round_,
                reasons=(Reason(f"they signed {agreement.key[0]} in {agreement.key[1]}"),),
                next_step="synchronize the chain, then try again",
            ),
            quorum=committee.quorum_threshold,
        )
    certificate = TimeoutCertificate(timeout, round_, signatures_of(agreement.answers))
    await context.local.leave_round(certificate)
    for remote in nodes:
        context.updates.submit(remote, Update(chain_id, height))
    return certificate
