"""A real browser on a live server: Debian's Chromium, logged in as an operator, under a strict policy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, Page

from docqueue import snapshot

NOT_OURS = "favicon.ico"


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
