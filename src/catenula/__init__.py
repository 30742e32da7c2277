"""Catenula: an independent implementation, in Python, of the Linera protocol (line 0.15).

    async with await catenula.connect("http://localhost:8080") as network: ...
    with catenula.connect_sync("http://localhost:8080") as network: ...

This module must stay free of imports: ``catenula --help`` pays for every one of them.
"""

__version__ = "0.1.0"

_ON_FIRST_USE = {
    "connect": "catenula.network.remote",
    "connect_sync": "catenula.network.sync",
}


def __getattr__(name: str) -> object:
    module = _ON_FIRST_USE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(module), name)


# What type checkers see, for which nothing is imported when a program runs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from catenula.network.remote import connect as connect
    from catenula.network.sync import connect_sync as connect_sync
