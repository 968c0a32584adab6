"""The overview and the page of a queue: what they say, to whom, how cheaply, and that nothing hostile comes alive."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from docqueue import snapshot
from docqueue.conf import overridden
from docqueue.maintenance import promote
from docqueue.models import FailureGroup, FinishedTotal, Limit, Worker
from docqueue.service import DocumentQueueService
from tests.docqueue.admin.test_admin_pages import HOSTILE, inert
from tests.docqueue.helpers import worker

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]
OVERVIEW, LIVE = "/admin/docqueue/overview/", "/admin/docqueue/overview/live/"


@pytest.fixture(autouse=True)
def anew():
    snapshot.forget()
    yield
    snapshot.forget()


def of(name):
    return f"{reverse('admin:docqueue_queue_page')}?queue={name}"


def text(client, address):
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_overview_says_what_there_is_of_each_queue_and_what_is_wrong(ann, service, operation, dead):
    dead(message="it broke")
    service.enqueue(None, operation)
    service.enqueue(None, operation, queue="held")
    service.pause_queue("held", "the archive moves", "bob")
    now = datetime.now(UTC)
    FinishedTotal.objects.create(queue="demo", at=now, worker_id=1, completed=41, dead=2)
    moments = dict.fromkeys(("first_at", "last_at", "counted_at"), now)
    said = {"operation": operation, "error_code": "broken", "error_message": "it broke", "sample_id": 1}
    FailureGroup.objects.create(fingerprint="f1", queue="demo", number=77, **said, **moments)
    Limit.objects.create(key="km", failures=5, failures_to_open=5, open_seconds=30, opened_at=now)

    shown = text(ann, OVERVIEW)

    assert "No worker serves queue demo: run manage.py run_queue_worker --queue demo" in shown
    said = " ".join(re.sub(r"<[^>]*>", " ", shown).split())
    assert "Queue held was paused less than a minute ago by bob ( the archive moves )" in said
    assert "The breaker of" in shown
    assert "41 completed, 0 cancelled, 2 failed for good" in shown
    assert f'href="{of("demo").replace("&", "&amp;")}"' in shown
    assert "it broke" in shown
    assert ">77</td>" in shown
    assert "No worker runs. Start one" in shown


def test_without_anything_it_teaches_how_to_begin(ann):
    shown = text(ann, OVERVIEW)
    assert "A queue appears with its first item" in shown
    assert "nothing ended" in shown


def test_the_fragment_is_the_pages_own_and_is_sent_again_only_when_it_differs(ann, service, operation):
    whole, answer = text(ann, OVERVIEW), ann.get(LIVE)
    assert answer.content.decode() in whole
    assert answer["Cache-Control"] == "private, no-cache"
    again = ann.get(LIVE, headers={"If-None-Match": f"W/{answer['ETag']}"})
    assert (again.status_code, again.content) == (304, b"")
    service.enqueue(None, operation)
    snapshot.forget()
    assert ann.get(LIVE, headers={"If-None-Match": answer["ETag"]}).status_code == 200


def test_the_overview_needs_its_permission_and_shows_what_else_one_may(operator, service, operation):
    service.enqueue(None, operation)
    nobody, viewer = operator("view_attempt"), operator("view_queueitem", name="bob")
    for address in (OVERVIEW, LIVE):
        assert nobody.get(address).status_code == 403
        assert viewer.get(address).status_code == 200
    assert nobody.get(of("demo")).status_code == 403
    shown = text(viewer, LIVE)
    assert "Pause" not in shown
    assert "<h2>Workers</h2>" not in shown
    chief = operator("view_queueitem", "view_worker", "view_queue", "change_queue", name="cleo")
    shown = text(chief, LIVE)
    assert "Pause" in shown
    assert "<h2>Workers</h2>" in shown


def test_a_viewer_costs_no_question_to_the_queue_while_the_snapshot_is_fresh(ann, monkeypatch):
    ann.get(LIVE)
    monkeypatch.setattr("docqueue.snapshot.FRESH_SECONDS", 600.0)
    with CaptureQueriesContext(connection) as seen:
        assert ann.get(LIVE).status_code == 200
    tables = [query["sql"] for query in seen if "docqueue" in query["sql"] and "auth_" not in query["sql"]]
    assert tables == []
    assert len(seen) <= 4, "the session, the user and what the user may"


def test_the_index_of_the_section_leads_to_it(ann):
    assert f'href="{OVERVIEW}">Overview: everything at a glance' in text(ann, "/admin/docqueue/")
    assert f'href="{OVERVIEW}"' in text(ann, "/admin/")


def test_the_page_of_a_queue_says_what_holds_it_up_and_who_serves_it(ann, operator, service, operation):
    item = service.enqueue(None, operation).id
    service.pause_queue("demo", "the archive moves", "bob")
    row = worker(datetime.now(UTC))
    Worker.objects.filter(pk=row).update(asked="quiet")
    elsewhere = worker(datetime.now(UTC))
    Worker.objects.filter(pk=elsewhere).update(queues=["other"], name="elsewhere")
    with overridden(LIMITS={"km/1": {"rate": 3, "burst": 1}}):
        service.enqueue(None, operation, limit_key="km/1")
    assert "km/1" in text(ann, of("demo"))
    Limit.objects.create(key="km/1", rate=3, opened_at=datetime.now(UTC), open_seconds=30)
    shown = text(ann, of("demo"))
    assert re.search(
        r"Paused <time [^>]*title=[^>]*>\d+ s ago</time> by <span[^>]*>bob</span>: <span[^>]*>the archive m", shown
    )
    assert re.search(
        rf"Oldest due: <a href=\"[^\"]*{item}/change/\"[^>]*>{operation} #{item}</a>, due <time [^>]*>", shown
    )
    assert "to claim nothing new" in shown
    assert "elsewhere" not in shown
    assert "km/1" in shown
    assert "3 a second" in shown
    assert "breaker open" in shown
    assert "Resume" not in shown
    chief = operator("view_queue", "change_queue", name="cleo")
    assert f'href="{reverse("admin:docqueue_queue_resume")}?queue=demo"' in text(chief, of("demo"))


def rows_of(shown):
    """The table of limits, a text for each row."""
    table = shown.split('id="docqueue-limits"')[1].split("</table>")[0]
    return [" ".join(re.sub(r"<[^>]*>", " ", row).split()) for row in table.split("<tr>")[2:]]


def test_the_page_of_a_queue_says_what_of_each_limit_is_in_use_and_what_it_holds_back(ann, service, register):
    register("admin.one", queue="demo", concurrency_limit=1)
    register("admin.km", queue="demo", limit_key="km/2")
    for _ in range(3):
        service.enqueue(None, "admin.one")
    promote.run("default")
    assert service.claim(1, queues=["demo"])
    for _ in range(2):
        service.enqueue("d1", "admin.one", concurrency_key="disk", concurrency_limit=5)
    promote.run("default")
    with overridden(LIMITS={"km/1": {"rate": 3, "burst": 1}}, FAIR_SHARE=7, RETRIES_PER_SECOND=2.0, AGEING_SECONDS=60):
        service.enqueue(None, "admin.km", limit_key="km/1")
        Limit.objects.create(key="km/1", rate=3, burst=1, tokens=1)  # which a commit would have made
        rows = rows_of(text(ann, of("demo")))
    assert rows == [
        "Limit km/1 3 a second 1.0 may start now 1",
        "Limit km/2 nothing has been charged to it yet – 0",
        "At once, of one concurrency key admin.one 1 at once 1 have a place 2",
        "At once, of one concurrency key disk 5 at once 1 have a place 0",
        "Share of a tenant FAIR_SHARE 7 of a tenant in a lane while others wait – 0",
        "Budget of retries RETRIES_PER_SECOND 2 retries a second – 0",
        "Ageing AGEING_SECONDS a pending item rises by ten in priority every 60 s – –",
        "Order one at a time of an ordering key – 1",
    ]
    shown = text(ann, of("demo"))
    assert '?queue=demo&amp;wait_reason=concurrency">2</a> as many items of its concurrency key run as may' in shown


def test_the_oldest_item_of_a_queue_is_that_which_has_been_due_for_longest_in_whatever_lane(ann, service, operation):
    now = datetime.now(UTC)
    soon = service.enqueue(None, operation, 5, now=now - timedelta(minutes=3)).id
    old = service.enqueue(None, operation, -5, now=now - timedelta(hours=3)).id
    shown = text(ann, of("demo"))
    assert re.search(rf"Oldest due: <a [^>]*>{operation} #{old}</a>, due <time [^>]*>3 h ago", shown)
    assert re.search(rf"Next in line: <a [^>]*>{operation} #{soon}</a>, enqueued <time [^>]*>3 min ago", shown)


def test_a_cause_is_requeued_from_the_overview_by_who_may(operator, service, operation):
    now = datetime.now(UTC)
    moments = dict.fromkeys(("first_at", "last_at", "counted_at"), now)
    said = {
        "operation": operation,
        "error_code": "broken",
        "error_message": "it broke",
        "sample_id": 1,
        "queue": "demo",
    }
    FailureGroup.objects.create(fingerprint="few", number=10, **said, **moments)
    FailureGroup.objects.create(fingerprint="many", number=11, **said, **moments)

    def links(client):
        return re.findall(r"failuregroup/(\w+)/do/(\w+)/", text(client, OVERVIEW))

    assert links(operator("view_queueitem")) == []
    may = operator("view_queueitem", "requeue_item", name="bob")
    assert links(may) == [("many", "canary"), ("many", "requeue"), ("few", "requeue")]
    assert "Requeue 10 first" in text(may, OVERVIEW)


def test_a_queue_that_nobody_has_heard_of_is_empty(ann):
    assert "No worker serves queue nowhere" in text(ann, of("nowhere"))
    assert ann.get(of("")).status_code == 200
    assert ann.get(of("a%00b")).status_code == 200


def test_hostile_strings_are_inert_on_the_overview_and_the_page_of_a_queue(ann, operator, service, register):
    queue = HOSTILE[:64]
    register("hostile.op", queue=queue)
    service.enqueue(HOSTILE, "hostile.op")
    DocumentQueueService().pause_queue(queue, HOSTILE, HOSTILE)
    Worker.objects.filter(pk=worker(datetime.now(UTC))).update(
        name=HOSTILE,
        queues=[queue],
        info={"database": HOSTILE, "slots": [{"operation": HOSTILE, "item_id": 1}, HOSTILE]},
    )
    now = datetime.now(UTC)
    moments = dict.fromkeys(("first_at", "last_at", "counted_at"), now)
    said = {"operation": HOSTILE[:60], "error_code": HOSTILE[:60], "error_message": HOSTILE, "sample_id": 1}
    FailureGroup.objects.create(fingerprint="f1", queue=queue, number=7, acknowledged_by=HOSTILE, acknowledged_at=now,
                                **said, **moments)  # fmt: skip
    Limit.objects.create(key=HOSTILE, failures=5, open_seconds=30, opened_at=now)
    for address in (OVERVIEW, LIVE):
        shown = text(ann, address)
        assert "alert(" in shown
        inert(shown)
    answer = ann.get(reverse("admin:docqueue_queue_page"), {"queue": queue})
    inert(answer.content.decode())
    inert(text(ann, "/admin/docqueue/worker/"))
