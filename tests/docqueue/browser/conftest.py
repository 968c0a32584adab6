"""A real browser on a live server: Debian's Chromium, logged in as an operator, under a strict policy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, Page, sync_playwright

from docqueue import snapshot

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
NOT_OURS = "favicon.ico"


@pytest.fixture
def browser(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """A browser for one test: playwright's loop, which runs in this thread, ends before Django empties the tables."""
    if not CHROMIUM.exists():
        pytest.fail(f"These tests need a Chromium at {CHROMIUM}: apt install chromium, or set CHROMIUM to its path.")
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def site(browser: Browser, live_server: Any) -> Iterator[Site]:
    """The live server, with an operator logged in."""
    snapshot.forget()
    yield Site(browser, str(live_server))
    snapshot.forget()


class Site:
    """`open("/admin/")` gives a page; what the policy refused, or a script threw, is in `trouble`."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.browser = browser
        self.address = address
        self.trouble: list[str] = []
        client = Client()
        self.user = User.objects.create_superuser("cleo")
        client.force_login(self.user)
        self.cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": address}

    def open(self, path: str, *, width: int = 1280, scheme: Any = "light", script: bool = True) -> Page:
        """A new page in a window of its own."""
        context = self.browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 800}, java_script_enabled=script
        )
        context.add_cookies([self.cookie])  # type: ignore[list-item]
        page = context.new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        answer = page.goto(self.address + path)
        assert answer is not None
        assert answer.status == 200
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "style-src 'self';" in policy
        return page

    def _heard(self, message: Any) -> None:
        if message.type == "error" and NOT_OURS not in str(message.location):
            self.trouble.append(message.text)
