"""The example applications: their modules, as shipped (decision 0046)."""

from pathlib import Path
from typing import NamedTuple

from catenula.base.errors import LocalError

NAMES = ("counter", "feed", "swap", "token")

_PACKAGE = Path(__file__).resolve().parent.parent
_INSTALLED = _PACKAGE / "modules"
_CHECKOUT = _PACKAGE.parent.parent / "examples" / "applications"


class ExampleModule(NamedTuple):
    """The Wasm code of an application's two halves."""

    contract: bytes
    service: bytes


def example_module(name: str) -> ExampleModule:
    """The modules of one of `NAMES`; `LocalError` for others, or where none have been installed."""
    if name not in NAMES:
        raise LocalError(
            f"there is no example application {name!r}, but there are {', '.join(NAMES)}",
            retryable=False,
        )
    folder = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT / name
    try:
        contract, service = (
            (folder / f"{name}_{half}.wasm").read_bytes() for half in ("contract", "service")
        )
    except OSError as error:
        raise LocalError(
            f"the example application {name} is not here: {error}; it comes with the package and "
            "lies in examples/applications of a checkout",
            retryable=False,
        ) from error
    return ExampleModule(contract, service)
