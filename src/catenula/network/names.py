"""Names of wallets, which become names of files."""

import re

from catenula.base.errors import LocalError

_WALLET_NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)


def check_name(name: str) -> None:
    """Raise `LocalError` unless a wallet may have this name."""
    if not _WALLET_NAME.fullmatch(name):
        raise LocalError(
            f"{name!r} is no name for a wallet: use up to 64 letters, digits, '.', '_' and '-'",
            retryable=False,
        )
