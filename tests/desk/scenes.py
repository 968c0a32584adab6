"""What a person at the desk does: clicks, ticks, fills in, confirms. And the register of scenes, one an action."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.urls import reverse
from playwright.sync_api import Page, expect

from docqueue.models import AuditEntry
from docqueue.service import DocumentQueueService
from tests.browsing import Site
from tests.docqueue.helpers import OPERATION

WHY = 'because <b>Ada</b> asked & said "so"'
SCENES: dict[str, Callable[[Desk], None]] = {}
Scene = Callable[["Desk"], None]


def scene(*offers: str) -> Callable[[Scene], Scene]:
    """These actions (as `offers.offered` calls them) are shown to work by this."""

    def register(play: Scene) -> Scene:
        for offer in offers:
            assert offer not in SCENES, f"{offer} has a scene already"
            SCENES[offer] = play
        return play

    return register


class Desk:
    """An operator's window, and the queue behind it."""

    def __init__(self, site: Site, page: Page) -> None:
        self.site, self.page = site, page
        self.service = DocumentQueueService()
        self.who = site.user.get_username()

    # -- what is there ---------------------------------------------------------------------------------------------

    def pending(self, **options: Any) -> int:
        """An item that may run."""
        return self.service.enqueue(None, OPERATION, **options).id

    def waiting(self, **options: Any) -> int:
        """An item that is not due for an hour."""
        return self.service.enqueue(None, OPERATION, delay_seconds=3600, **options).id

    def dead(self, message: str = "page 3 is torn", **options: Any) -> int:
        """An item that has failed for good."""
        item = self.service.mark_in_progress(self.pending(**options))
        self.service.mark_failed(item, message, code="torn", traceback="Traceback: …", retryable=False)
        return item.id

    def done(self, **options: Any) -> int:
        """A completed item."""
        item = self.service.mark_in_progress(self.pending(**options))
        self.service.mark_completed(item)
        return item.id

    # -- what is done ----------------------------------------------------------------------------------------------

    def go(self, name: str, *args: Any, query: str = "") -> None:
        """To a page of the admin, by its name."""
        answer = self.page.goto(
            self.site.address + reverse(f"admin:{name}", args=args) + query, wait_until="domcontentloaded"
        )
        assert answer is not None
        assert answer.status == 200, f"{answer.url} answers {answer.status}"

    def link(self, words: str) -> None:
        """Click a link, or a button that is one."""
        self.page.locator("#content").get_by_role("link", name=words, exact=True).click()

    def button(self, words: str) -> None:
        """Click a button."""
        self.page.locator("#content").get_by_role("button", name=words, exact=True).click()

    def why(self, words: str = WHY) -> None:
        """Write a reason."""
        self.page.get_by_label("Reason").fill(words)

    def yes(self, why: str = WHY) -> None:
        """Give a reason on the page that asks for one, and confirm."""
        if why:
            self.why(why)
        self.page.locator("#content form[method=post] input[type=submit]").click()

    def choose(self, action: str, *rows: Any) -> None:
        """Tick rows of the list, and have an action done to them."""
        for row in rows:
            self.page.locator(f"input[name=_selected_action][value='{row}']").check()
        self.page.locator("select[name=action]").first.select_option(action)
        self.page.locator(".actions button[name=index]").first.click()

    # -- what came of it -------------------------------------------------------------------------------------------

    def told(self, *words: str) -> None:
        """The page says so above all else."""
        for some in words:
            expect(self.page.locator(".messagelist")).to_contain_text(some)

    def shows(self, words: str) -> None:
        """The page says so somewhere."""
        expect(self.page.locator("#content")).to_contain_text(words)

    def audited(self, action: str, *, why: str = WHY, **wanted: Any) -> AuditEntry:
        """The newest entry of this action: by this person, for this reason, about these."""
        entry = AuditEntry.objects.filter(action=action).latest("id")
        assert (entry.actor, entry.reason) == (self.who, why)
        for name, value in wanted.items():
            found = getattr(entry, name)
            if name == "filter":
                found = {key: found.get(key) for key in value}
            assert found == value, f"{name} of {entry}: {found!r}"
        return entry

    def unchanged(self) -> None:
        """Nothing was written down."""
        assert not AuditEntry.objects.exists()
