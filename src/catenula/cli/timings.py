"""What ``--timings`` tells: how long each part of a command took. Must stay cheap to import."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

_MS_PER_SECOND = 1_000


class Timings:
    """The parts of one command in the order in which they ended."""

    def __init__(self) -> None:
        self.parts: list[tuple[str, float]] = []

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Note how long what is done within takes, also when it fails."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.parts.append((part, time.perf_counter() - start))

    def tell(self) -> None:
        """One line on standard error for each part."""
        for part, seconds in self.parts:
            click.echo(f"{seconds * _MS_PER_SECOND:10.1f} ms  {part}", err=True)
