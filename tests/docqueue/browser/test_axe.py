"""axe finds nothing on the operator's pages, light and dark, wide and narrow, and nothing is wider than the window."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from docqueue.maintenance import failures
from docqueue.models import FailureGroup, FinishedTotal, Worker
from docqueue.service import DocumentQueueService
from tests.browsing import axe, too_wide
from tests.docqueue.helpers import OPERATION, worker

pytestmark = pytest.mark.slow
NARROW = 360
IN_THE_DARK = ("overview", "dead item", "clone")  # between them they have every colour and kind of table
OURS = {"include": [["#content"]], "exclude": [["#changelist-search"]]}  # the rest is Django's


@pytest.fixture
def pages(service: DocumentQueueService) -> dict[str, str]:
    """Something of everything, and where it is shown."""
    died = service.mark_in_progress(service.enqueue("d1", OPERATION, payload={"token": "t", "page": 1}))
    service.mark_failed(died, "page 3 is torn " * 8, code="torn", traceback="Traceback: …\n" * 5, retryable=False)
    waiting = service.enqueue(None, OPERATION, delay_seconds=3600).id
    done = service.mark_in_progress(service.enqueue("d2", OPERATION))
    service.mark_completed(done, result={"pages": 12})
    service.enqueue(None, OPERATION, queue="held")
    service.pause_queue("held", "the archive moves", "ada")
    failures.run("default")
    now = datetime.now(UTC)
    FinishedTotal.objects.create(queue="default", at=now, worker_id=1, completed=40, dead=3)
    row = worker(now)
    slots = [{"pid": 2, "rss_mb": 40, "cpu": 5, "item_id": died.id, "operation": OPERATION, "since": now.isoformat()}]
    Worker.objects.filter(pk=row).update(info={"slots": slots, "rss_mb": 50, "cpu": 1, "database": "ok"}, asked="quiet")
    service.cancel(waiting, by="ada", reason="no more")
    admin = "/admin/docqueue"
    return {
        "overview": f"{admin}/overview/",
        "queue": f"{admin}/queue/of/?queue=held",
        "queues": f"{admin}/queue/",
        "dead item": f"{admin}/queueitem/{died.id}/change/",
        "finished item": f"{admin}/historyitem/{waiting}/change/",
        "clone": f"{admin}/queueitem/{died.id}/clone/",
        "worker": f"{admin}/worker/{row}/change/",
        "question": f"{admin}/worker/{row}/ask/stop_worker/",
        "history": f"{admin}/historyitem/",
        "items": f"{admin}/queueitem/?status=not_started&tenant=acme",
        "cause": f"{admin}/failuregroup/{FailureGroup.objects.get().pk}/change/",
        "causes": f"{admin}/failuregroup/",
        "pause": f"{admin}/queue/pause/?queue=held",
        "purge": f"{admin}/historyitem/bulk/purge/?older_than_days=1",
        "section": f"{admin}/",
    }


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (NARROW, "light")])
def test_nothing_is_found_on_any_page(site: Any, pages: dict[str, str], width: int, scheme: str) -> None:
    found = []
    for name, address in pages.items():
        if scheme == "dark" and name not in IN_THE_DARK:
            continue
        page = site.open(address, width=width, scheme=scheme)
        found += [f"{name}: {trouble}" for trouble in site.trouble]
        if name in IN_THE_DARK or width > NARROW:
            found += [f"{name}: {what}" for what in axe(site, page, OURS)]
        site.trouble.clear()
        if wide := too_wide(page):
            found.append(f"{name} is {wide} px wider than the window")
    assert not found, "\n".join(found)
