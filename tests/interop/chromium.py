"""The system's Chromium, for tests in a real browser."""

import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""A headless browser that talks to nobody but the page's own servers."""


def chromium_or_skip() -> str:
    """Where Chromium is; skips the test, loudly, where there is none."""
    for name in NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    pytest.skip(f"*** NOT TESTED: no browser ({', '.join(NAMES)}) is installed")
