"""The overview in a browser: live without moving anything, at rest while hidden, honest when it is not live."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from docqueue.models import AuditEntry, QueueItem
from docqueue.service import DocumentQueueService
from tests.docqueue.helpers import OPERATION, worker

OVERVIEW = "/admin/docqueue/overview/"
pytestmark = pytest.mark.slow


def pending(page: Page) -> str:
    return page.locator(".docqueue-figures dd").first.inner_text()


def tells(page: Page, words: str) -> None:
    """Wait until the line above the numbers says so."""
    expect(page.locator("[data-part=state]")).to_contain_text(words, timeout=10_000)


def said(page: Page) -> str:
    return page.locator("[data-part=state]").inner_text()


def test_numbers_change_by_themselves_and_focus_open_tables_and_selection_stay(
    site: Any, service: DocumentQueueService
) -> None:
    service.enqueue(None, OPERATION, queue="b")
    page = site.open(OVERVIEW)
    tells(page, "Live,")
    page.locator("summary").first.click()
    page.locator("tr[data-key='q:b'] a").first.focus()
    page.evaluate("getSelection().selectAllChildren(document.querySelector('tr[data-key=\"q:b\"] th'))")
    page.evaluate("window.kept = document.querySelector(\"tr[data-key='q:b']\"); window.scrollTo(0, 40)")
    assert pending(page) == "1"

    service.enqueue(None, OPERATION, queue="a")  # above the row that is looked at
    service.pause_queue("b", "the archive <b>moves</b>")

    expect(page.locator(".docqueue-figures dd").first).to_have_text("2")
    assert page.locator("tr[data-key='q:a']").count() == 1
    assert "the archive <b>moves</b>" in page.locator(".docqueue-banner").inner_text()
    assert page.evaluate("window.kept === document.querySelector(\"tr[data-key='q:b']\")")
    assert page.evaluate("document.activeElement.closest('tr').dataset.key") == "q:b"
    assert page.evaluate("getSelection().toString().trim()").startswith("b")
    assert page.locator("details").first.get_attribute("open") is not None
    assert page.evaluate("window.scrollY") == 40
    assert site.trouble == []


def test_nothing_is_asked_while_nobody_looks_and_at_once_when_somebody_does_again(
    site: Any, service: DocumentQueueService
) -> None:
    page = site.open(OVERVIEW)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/live/" in request.url else None)
    tells(page, "Live,")
    hidden = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
    page.evaluate(hidden % "true" + "document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(500)  # an answer that was on its way
    asked.clear()
    page.wait_for_timeout(4500)
    assert asked == []
    page.evaluate(hidden % "false" + "document.dispatchEvent(new Event('visibilitychange'))")
    until_asked(page, asked)


def until_asked(page: Page, asked: list[str]) -> None:
    for _ in range(30):
        if asked:
            return
        page.wait_for_timeout(100)
    raise AssertionError("nobody asked")


def test_when_the_server_fails_it_says_so_waits_longer_and_comes_back(site: Any) -> None:
    page = site.open(OVERVIEW)
    tells(page, "Live,")
    answers: list[str] = []

    def fail(route: Route) -> None:
        answers.append("503")
        route.fulfill(status=503, body="no")

    page.route("**/live/", fail)
    tells(page, "answered 503")
    assert "Not live: the server answered 503; next try in 4 s" in said(page)
    tells(page, "in 8 s")
    page.unroute("**/live/")
    page.route("**/live/", lambda route: route.abort())
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    tells(page, "can not be reached")
    page.unroute("**/live/")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    tells(page, "Live,")
    assert page.locator(".docqueue-not-live").count() == 0


def test_who_was_logged_out_meanwhile_is_told(site: Any) -> None:
    page = site.open(OVERVIEW)
    tells(page, "Live,")
    page.context.clear_cookies()
    tells(page, "logged out")


def test_without_script_the_page_says_it_all_and_can_be_loaded_again(site: Any, service: DocumentQueueService) -> None:
    service.enqueue(None, OPERATION)
    page = site.open(OVERVIEW, script=False)
    assert pending(page) == "1"
    assert said(page) == "As of"
    service.enqueue(None, OPERATION)
    for _ in range(10):
        page.wait_for_timeout(1100)  # as long as a snapshot is good; longer where it took long
        page.get_by_role("link", name="Reload").click()
        if pending(page) == "2":
            break
    assert pending(page) == "2"


def test_an_operator_does_it_all_by_keyboard(site: Any, service: DocumentQueueService) -> None:
    item = service.enqueue(None, OPERATION, delay_seconds=3600).id
    page = site.open(f"/admin/docqueue/queueitem/{item}/change/")
    page.get_by_label("Reason").focus()
    page.keyboard.type("somebody asks")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Run now"
    page.keyboard.press("Enter")
    page.wait_for_selector(".success")
    assert (AuditEntry.objects.get().action, AuditEntry.objects.get().reason) == ("run_now", "somebody asks")
    assert QueueItem.objects.get().status == "pending"
    row = worker(None)
    page.goto(f"{site.address}/admin/docqueue/worker/{row}/change/")
    page.get_by_role("link", name="Quiet …").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#docqueue-reason")
    page.keyboard.press("Enter")
    page.wait_for_selector(".success")
    assert AuditEntry.objects.latest("id").action == "quiet_worker"
    assert site.trouble == []
