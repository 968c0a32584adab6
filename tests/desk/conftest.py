"""The walk through the whole admin: one window of a real browser, and an operator who may do everything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from docqueue import snapshot
from tests.browsing import Site
from tests.ingestion.conftest import documents_dir  # noqa: F401 - a fixture


@pytest.fixture
def site(browser: Browser, live_server: Any, documents_dir: Any) -> Iterator[Site]:  # noqa: F811
    """The live server, with an operator logged in. Its windows are closed at the end."""
    snapshot.forget()
    found = Site(browser, str(live_server))
    yield found
    found.close()
    snapshot.forget()
