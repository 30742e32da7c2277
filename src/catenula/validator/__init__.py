"""A validator: workers with their drivers, cross-chain delivery and notification fan-out.

Drivers are the only place where a node's writes become durable and its effects happen. A validator
is one process (`start_validator_server`) or several (`start_validator_processes`).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from catenula.validator.configuration import ServerConfig, load_configuration
    from catenula.validator.server import start_validator_server
    from catenula.validator.supervisor import Supervisor, start_validator_processes

_PLACES = {
    "ServerConfig": "catenula.validator.configuration",
    "load_configuration": "catenula.validator.configuration",
    "start_validator_server": "catenula.validator.server",
    "Supervisor": "catenula.validator.supervisor",
    "start_validator_processes": "catenula.validator.supervisor",
}
"""Loaded when they are used, because a client's own node needs only a driver."""

__all__ = [
    "ServerConfig",
    "Supervisor",
    "load_configuration",
    "start_validator_processes",
    "start_validator_server",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
