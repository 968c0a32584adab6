"""Every action of the admin, done with mouse and keyboard: what the page said, the row in the database, the audit.

What is offered is read from the table of addresses and the registered actions: whatever has no scene fails.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext

from docqueue.models import AuditEntry
from tests.browsing import Site
from tests.desk import (  # noqa: F401 - they register
    scenes_groups,
    scenes_ingestion,
    scenes_items,
    scenes_login,
    scenes_reprocess,
)
from tests.desk.offers import NOTHING, offered
from tests.desk.scenes import SCENES, Desk
from tests.docqueue.helpers import worker

pytestmark = pytest.mark.slow
PLAYS = {play.__name__: play for play in SCENES.values()}


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[BrowserContext]:
    """One window for all scenes: it has read the styles and scripts once."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(15_000)
    yield context
    context.close()


@pytest.fixture
def desk(site: Site, window: BrowserContext) -> Iterator[Desk]:
    """An operator at the desk. At the end: no script failed, nothing was refused or came from afar."""
    window.clear_cookies()
    window.add_cookies([site.cookie])  # type: ignore[list-item]
    page = site.heard(window.new_page())
    yield Desk(site, page)
    page.close()
    assert site.trouble == []


def test_every_action_that_is_offered_has_a_scene_and_there_is_none_of_another() -> None:
    assert set(SCENES) == offered()
    assert not set(NOTHING) & set(SCENES)


@pytest.mark.parametrize("name", PLAYS)
def test_it_does_what_it_says_and_the_audit_has_it(desk: Desk, name: str) -> None:
    PLAYS[name](desk)


def test_who_comes_second_is_told_who_was_first_and_nothing_is_done_twice(desk: Desk) -> None:
    item, waits = desk.dead(), desk.waiting()
    asked = worker(None)
    desk.go("docqueue_deaditem_change", item)  # both look at it
    desk.service.requeue(item, by="bea", reason="I was quicker")
    desk.button("Requeue")
    desk.told("Skipped:", f"Item {item} is pending", "Last: requeue by bea")
    desk.go("docqueue_queueitem_changelist")
    desk.service.cancel(waits, by="bea")
    desk.choose("cancel", waits)
    desk.shows("None of them is live any more.")
    desk.yes()
    desk.told("Skipped:", "cancelled", "Last: cancel by bea")
    desk.go("docqueue_worker_ask", asked, "quiet_worker")
    desk.service.quiet_worker(asked, by="bea")
    desk.yes()
    desk.told("The worker was quiet already.")
    desk.go("docqueue_queue_pause", query="?queue=post")
    desk.service.pause_queue("post", "mine", "bea")
    desk.go("docqueue_queue_resume", query="?queue=post")
    desk.service.resume_queue("post", by="bea")
    desk.yes()
    desk.told("Queue post was not paused.")
    assert set(AuditEntry.objects.values_list("actor", flat=True)) == {"bea"}
