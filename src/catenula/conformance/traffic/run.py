"""Playing whole runs: every validator by itself, as many at once as there are processors."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from catenula.conformance.report import Report
from catenula.conformance.traffic.player import ValidatorPlayer
from catenula.conformance.traffic.recording import find_traffic, read_traffic


def run_traffic(paths: Iterable[Path]) -> Report:
    report = Report()
    for folder in find_traffic(paths):
        traffic = read_traffic(folder)
        for index in range(traffic.validators):
            report.merge(play_validator(traffic, index))
    return report


def play_validator(traffic, index):
    async def play():
        player = ValidatorPlayer(traffic, index)
        await player.play()
        return player.report
    return asyncio.run(play())
