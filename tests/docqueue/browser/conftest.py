"""A real browser on a live server, logged in as an operator: see tests/browsing.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from docqueue import snapshot
from tests.browsing import Site


@pytest.fixture
def site(browser: Browser, live_server: Any) -> Iterator[Site]:
    """The live server, with an operator logged in."""
    snapshot.forget()
    found = Site(browser, str(live_server))
    yield found
    found.close()
    snapshot.forget()
