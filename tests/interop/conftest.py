"""Fixtures of the tests in a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.interop.chromium import ARGUMENTS, chromium_or_skip


# While it is open no test can run an event loop of its own, so it ends with its module.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, started once for the tests of a module."""
    path = chromium_or_skip()
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield opened
        opened.close()
