"""Running the tour: the table of its parts, one after the other, each timed and checked."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from catenula.base.errors import LocalError, ProtocolError
from catenula.network.tour import applications, beginnings, failures, owners, public, refusals
from catenula.network.tour.report import Narrator, Report, Step
from catenula.network.tour.stage import Stage


class Part(NamedTuple):
    """One step of the tour; ``title`` is what a person reads."""

    name: str
    title: str
    play: Callable[[Stage], Awaitable[None]]


PARTS = (
    Part("start", "Four validators start", beginnings.start_validators),
    Part("wallets", "User chains for three wallets", beginnings.open_wallets),
    Part("transfers", "Transfers both ways", beginnings.transfer_both_ways),
    Part("relay", "A message exchange of three chains: A, B, C", beginnings.relay_messages),
    Part("many", "A block that takes many messages at once", beginnings.take_many_messages),
    Part("escrow", "A permissioned chain of two owners as an escrow", owners.hold_an_escrow),
    Part("open", "A chain on which anyone may propose", owners.let_anyone_propose),
    Part("handover", "Control of a chain passes to another owner", owners.hand_over),
    Part("deactivate", "A chain is deactivated for good", owners.deactivate),
    Part("public", "A public chain, run by the validators", public.run_public_chain),
    Part("closed", "A closed chain refuses blocks, and messages bounce", refusals.close_a_chain),
    Part("overdraft", "An overdraft is refused", refusals.overdraw),
    Part("forgery", "A forged message is refused", refusals.forge_messages),
    Part("token", "A token is published and created", applications.publish_a_token),
    Part("tokens", "Tokens travel between chains", applications.send_tokens),
    Part("swap", "An atomic swap on a temporary permissioned chain", applications.swap_tokens),
    Part("composed", "Two applications composed in one call", applications.compose_applications),
    Part("panic", "An application panics, and its message bounces", applications.bounce_a_message),
    Part("feed", "A feed on an event stream", applications.follow_a_feed),
    Part("killed", "One validator of four is killed", failures.kill_a_validator),
    Part("restart", "Everything stops and starts again from disk", failures.restart_from_disk),
)


async def run_tour(folder: Path, narrator: Narrator, *, engine: str = "sqlite") -> Report:
    """Play all parts on a network in an empty ``folder``.

    A part that cannot be finished ends the tour: the later ones build on it.
    """
    stage, report = Stage(folder, engine, narrator), Report()
    started = time.perf_counter()
    try:
        for part in PARTS:
            if not report.steps or report.steps[-1].error is None:
                report.steps.append(await _play(part, stage))
            else:
                report.skipped.append(part.name)
    finally:
        await stage.stop()
    report.seconds = time.perf_counter() - started
    return report


async def _play(part: Part, stage: Stage) -> Step:
    step = stage.step = Step(part.name, part.title)
    stage.narrator.begin(step)
    started = time.perf_counter()
    try:
        await part.play(stage)
    except (ProtocolError, LocalError) as error:
        step.error = f"{type(error).__name__}: {error}"
    step.seconds = time.perf_counter() - started
    stage.narrator.end(step)
    return step
