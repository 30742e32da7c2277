"""What is closed when its context is left, however that happens.

A class with a method ``close`` begins with one of these and is a context manager.
"""

from abc import ABC, abstractmethod
from typing import Self


class Closing(ABC):
    """Closed when it is left. Entering it does nothing."""

    @abstractmethod
    def close(self) -> None:
        """End what it has begun."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClosing(ABC):
    """As `Closing`, where closing waits for something."""

    @abstractmethod
    async def close(self) -> None:
        """End what it has begun."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
