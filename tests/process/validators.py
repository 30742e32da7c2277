"""Validators of several processes for tests that kill them: started, killed and judged in one way.

Each is a front door and `WORKERS` workers over one sqlite store; the supervisor starts what ends
again, and nobody helps.
"""

import asyncio
import os
import random
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from catenula.base.crypto import ValidatorSecretKey
from catenula.protocol import GenesisConfig
from catenula.validator.addresses import HostPort
from catenula.validator.configuration import LogOptions
from catenula.validator.supervisor import FRONT_DOOR, RunningValidator, Supervisor
from tests.validator.test_configuration import configuration

WORKERS = 2
PARTS = ("worker", "front door", "validator")
"""What may be killed of a validator: one process of a kind, or all of them at once."""


def seeded() -> random.Random:
    """Chance that can be repeated: the seed is printed, and taken from ``CATENULA_SEED``."""
    seed = int(os.environ.get("CATENULA_SEED") or secrets.randbits(32))
    sys.stdout.write(f"CATENULA_SEED={seed}\n")
    return random.Random(seed)


def location_of(folder: Path, number: int) -> str:
    """The storage of a validator."""
    return f"sqlite:{folder / f'validator-{number}'}"


@asynccontextmanager
async def running_validators(
    folder: Path, keys: Sequence[ValidatorSecretKey], genesis: GenesisConfig
) -> AsyncIterator[list[RunningValidator]]:
    """One validator per consensus key; all of them serve."""
    quiet = LogOptions(level="error")
    supervisor = await Supervisor.start(quiet)
    try:
        started = []
        for number, secret in enumerate(keys):
            config = configuration(
                secret=secret, listen=HostPort("127.0.0.1", 0), workers=WORKERS, logs=quiet
            )
            validator = await supervisor.start_validator(
                config, location_of(folder, number), name=f"validator {number}", genesis=genesis
            )
            started.append(validator)
        await asyncio.gather(*(validator.wait_ready() for validator in started))
        yield started
    finally:
        await supervisor.close()


def kill(victim: RunningValidator, part: str, chooser: random.Random) -> dict[str, int]:
    """Kill a part of a validator; returns the processes that were killed, by role."""
    workers = [role for role in victim.pids if role != FRONT_DOOR]
    roles = {
        "worker": [chooser.choice(workers)],
        "front door": [FRONT_DOOR],
        "validator": list(victim.pids),
    }[part]
    killed = {role: victim.pids[role] for role in roles}
    for pid in killed.values():
        os.kill(pid, signal.SIGKILL)
    return killed
