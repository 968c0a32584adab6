"""A real browser on a live server: Debian's Chromium, logged in, under a strict policy, with an ear for trouble.

Used by the tests of single pages (tests/docqueue/browser) and by the walk through the whole admin (tests/desk).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, Response

NOT_OURS = "favicon.ico"


class Site:
    """`open("/admin/")` gives a page; what the policy refused, or a script threw, is in `trouble`."""

    def __init__(self, browser: Browser, address: str, name: str = "cleo") -> None:
        self.browser = browser
        self.address = address
        self.trouble: list[str] = []
        self.windows: list[BrowserContext] = []
        self.user = User.objects.create_superuser(name)
        self.cookie = self.cookie_of(self.user)

    def cookie_of(self, user: User) -> dict[str, str]:
        """The session of somebody who has logged in."""
        client = Client()
        client.force_login(user)
        return {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": self.address}

    def window(self, *, width: int = 1280, scheme: Any = "light", script: bool = True) -> BrowserContext:
        """A window of its own, logged in."""
        context = self.browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 800}, java_script_enabled=script
        )
        self.windows.append(context)
        context.add_cookies([self.cookie])  # type: ignore[list-item]
        return context

    def heard(self, page: Page) -> Page:
        """The page; what goes wrong on it from now on is heard."""
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("dialog", self._asked)
        page.on("request", lambda asked: self._afar(asked.url))
        return page

    def open(self, path: str, *, width: int = 1280, scheme: Any = "light", script: bool = True) -> Page:
        """A new page in a window of its own."""
        page = self.heard(self.window(width=width, scheme=scheme, script=script).new_page())
        answer = page.goto(self.address + path)
        strict(answer)
        return page

    def close(self) -> None:
        """All windows."""
        for context in self.windows:
            context.close()

    def _heard(self, message: Any) -> None:
        if message.type == "error" and NOT_OURS not in str(message.location):
            self.trouble.append(message.text)

    def _asked(self, dialog: Any) -> None:
        self.trouble.append(f"a dialog was opened: {dialog.message}")
        dialog.dismiss()

    def _afar(self, url: str) -> None:
        if not url.startswith((self.address, "data:", "blob:")):
            self.trouble.append(f"asked from afar: {url}")


def strict(answer: Response | None, status: int = 200) -> None:
    """The page is there, and its policy lets run only what is ours."""
    assert answer is not None
    assert answer.status == status, f"{answer.url} answers {answer.status}"
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy


def axe(site: Site, page: Page, context: dict[str, Any] | None = None, only: Sequence[str] = ()) -> list[str]:
    """What axe finds, by all of its rules or by these."""
    before = list(site.trouble)
    options: dict[str, Any] = {"resultTypes": ["violations"], "preload": False}
    if only:
        options["runOnly"] = list(only)
    found = Axe().run(page, context=context, options=options).response["violations"]
    site.trouble[:] = before  # axe itself sets styles, which the policy refuses
    return [f"{v['id']}: {n['html'][:150]}" for v in found for n in v["nodes"]]


def squeezed(page: Page) -> list[str]:
    """What is broken into a few letters a line, and buttons that are broken into two."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("#content td .docqueue-text, #content td.docqueue-text")]
            .filter(one => one.innerText.trim().length > 8 && one.closest("td").clientWidth < 70)
            .concat([...document.querySelectorAll("#content a.button")].filter(one => one.getClientRects().length > 1))
            .map(one => one.outerHTML.slice(0, 150))"""
    )
    return [f"squeezed: {one}" for one in found]


def too_wide(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    return max(0, int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth")))
