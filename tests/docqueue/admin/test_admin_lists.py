"""The lists: what they show, how they page, and what they never ask the database."""

import re
from datetime import UTC, datetime

import pytest
from django.contrib.admin import site
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from docqueue import claiming
from docqueue.conf import overridden
from docqueue.models import Attempt, AuditEntry, DeadItem, HistoryItem, Overview, Queue, QueueItem, Worker
from docqueue.service import NewItem
from tests.docqueue.helpers import worker

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]
MODELS = ("queueitem", "deaditem", "historyitem", "attempt", "worker", "queue", "auditentry")
BIG = ("docqueue_item", "docqueue_history", "docqueue_any_item", "docqueue_attempt", "docqueue_audit")


def url(model, view="changelist", *args):
    return reverse(f"admin:docqueue_{model}_{view}", args=args)


def ids(response):
    """The ids of the rows of a list, in order."""
    return [row.pk for row in response.context["cl"].result_list]


def queries(client, path):
    """The statements that one page takes, and the page."""
    client.get(path)  # content types are cached by the first
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(path)
    assert answer.status_code == 200
    return [q["sql"] for q in captured], answer


@pytest.fixture
def some(service, operation, dead):
    """Items in every state."""
    finished = service.mark_in_progress(service.enqueue("done", operation))
    service.mark_completed(finished, result={"pages": 3})
    failed = service.mark_in_progress(service.enqueue("again", operation))
    service.mark_failed(failed, "no luck", code="unlucky", retry_after=600)
    running = service.mark_in_progress(service.enqueue("running", operation))
    cancelled = service.enqueue("gone", operation)
    service.cancel(cancelled, by="bob", reason="not needed")
    return {
        "pending": service.enqueue("p", operation).id,
        "ordered": service.enqueue("p", operation).id,
        "delayed": service.enqueue("d", operation, delay_seconds=3600).id,
        "retry": failed.id,
        "running": running.id,
        "dead": dead("x"),
        "completed": finished.id,
        "cancelled": cancelled.id,
    }


@pytest.mark.parametrize("model", MODELS)
def test_every_list_opens_and_offers_neither_to_add_nor_to_delete(ann, some, model):
    answer = ann.get(url(model))

    assert answer.status_code == 200
    page = answer.content.decode()
    assert "addlink" not in page
    assert "delete_selected" not in page
    assert ann.get(url(model, "add")).status_code == 403


@pytest.mark.parametrize("model", [m for m in MODELS if m != "queue"])  # which counts live items, see below
def test_no_list_counts_a_big_table_or_pages_by_offset(ann, some, model):
    for path in (url(model), f"{url(model)}?q=5", f"{url(model)}?p=5"):
        statements, _ = queries(ann, path)
        for sql in statements:
            assert "OFFSET" not in sql.upper()
            if "COUNT(" in sql.upper():
                # what workers hold is the one thing counted: through the index over what is in progress
                assert "worker_id" in sql
                assert "in_progress" in sql
            if any(f'FROM "{table}"' in sql for table in BIG):
                assert re.search(r"LIMIT \d+|\"worker_id\" IN \(", sql), sql


def test_the_queue_page_counts_live_items_and_leaves_the_history_alone(ann, some):
    statements, answer = queries(ann, url("queue"))

    assert not any("docqueue_history" in sql for sql in statements)
    (row,) = answer.context["rows"]
    assert (row.name, row.pending, row.waiting, row.retrying, row.in_progress, row.dead) == ("demo", 1, 2, 1, 1, 1)
    assert row.workers == 0


def test_a_queue_that_somebody_paused_is_listed_although_it_is_empty(ann):
    Queue.objects.create(
        name="mail", paused_at="2030-01-01T00:00:00Z", paused_reason="<b>moving</b>", paused_by="<i>ada"
    )
    page = ann.get(url("queue")).content.decode()
    assert "paused" in page
    assert 'title="2030-01-01 00:00:00 UTC">in ' in page
    assert "&lt;i&gt;ada" in page
    assert "&lt;b&gt;moving" in page
    assert ann.get(url("queue", "change", "mail")).status_code == 200


def test_the_list_of_items_says_why_each_is_where_it_is(ann, some):
    why = {row.pk: row.reason_shown for row in ann.get(url("queueitem")).context["cl"].result_list}

    assert set(why) == {some[name] for name in ("pending", "ordered", "delayed", "retry", "running", "dead")}
    assert why[some["pending"]].startswith("Waiting for a worker. No worker serves queue demo: run manage.py")
    assert why[some["ordered"]] == "Waiting: another item of 'p' comes first."
    assert why[some["delayed"]].startswith("Waiting: starts in ")
    assert why[some["retry"]].endswith("(no luck).")
    assert why[some["running"]] == "Running: attempt 1 of 5."
    assert why[some["dead"]].startswith("Failed for good: it broke.")


def test_a_breakers_probe_is_listed_as_an_attempt_from_one(ann, some):
    QueueItem.objects.filter(pk=some["running"]).update(attempt=0)
    page = ann.get(f"{url('queueitem')}?status=in_progress").content.decode()
    assert '<td class="field-tries">1 / 5</td>' in page


def test_a_longer_list_takes_no_more_queries(ann, service, operation):
    service.enqueue_many(NewItem(operation=operation) for _ in range(3))
    few, _ = queries(ann, url("queueitem"))
    service.enqueue_many(NewItem(operation=operation) for _ in range(60))
    many, answer = queries(ann, url("queueitem"))

    assert len(many) == len(few)
    assert len(answer.context["cl"].result_list) == 50


@pytest.mark.parametrize("model", ["queueitem", "deaditem", "historyitem"])
def test_pages_follow_each_other_without_a_gap_or_a_repeat(ann, service, operation, dead, monkeypatch, model):
    from django.contrib import admin

    shown = {"queueitem": QueueItem, "deaditem": QueueItem, "historyitem": HistoryItem}[model]
    for registered, options in admin.site._registry.items():
        if registered._meta.model_name == model:
            monkeypatch.setattr(options, "list_per_page", 2)
    made = [dead() for _ in range(5)]
    if model == "historyitem":
        for item in made:
            service.discard(item)
        HistoryItem.objects.filter(pk__in=made[1:4]).update(finished_at=HistoryItem.objects.get(pk=made[2]).finished_at)
    else:
        QueueItem.objects.filter(pk__in=made[1:4]).update(died_at="2030-01-01T00:00:00Z")

    seen, path = [], url(model)
    while path:
        answer = ann.get(path)
        seen += ids(answer)
        following = answer.context["cl"].next_link
        path = following and url(model) + following

    assert sorted(seen) == made
    assert seen == list(
        shown.objects.order_by(*answer.context["cl"].get_ordering(None, None)).values_list("pk", flat=True)
    )
    assert answer.context["cl"].first_link == "?"


@pytest.mark.parametrize("page", ["0", "-5", "x", "9" * 30, "9" * 60])
@pytest.mark.parametrize("model", ["queueitem", "deaditem"])
def test_a_page_that_can_not_be_is_no_error(ann, dead, model, page):
    dead()
    assert ann.get(f"{url(model)}?p={page}", follow=True).status_code == 200


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("status=waiting", {"ordered", "delayed", "retry"}),
        ("status=in_progress", {"running"}),
        ("status=dead", {"dead"}),
        ("wait_reason=retry", {"retry"}),
        ("queue=demo&status=pending", {"pending"}),
        ("queue=elsewhere", set()),
        ("operation=admin.demo&status=pending", {"pending"}),
        ("operation=nothing", set()),
        ("q=again", {"retry"}),
        ("q=agai", set()),
        ("q=admin.demo", {"pending", "ordered", "delayed", "retry", "running", "dead"}),
        ("q=999999999999999999999", set()),
    ],
)
def test_items_are_filtered_and_searched_exactly(ann, some, query, names):
    assert set(ids(ann.get(f"{url('queueitem')}?{query}"))) == {some[name] for name in names}


def choices(client, model="queueitem"):
    """The queues that a list can be filtered by."""
    specs = client.get(url(model)).context["cl"].filter_specs
    (spec,) = [spec for spec in specs if spec.parameter_name == "queue"]
    return {value for value, _ in spec.lookup_choices}


def test_a_list_can_be_filtered_by_every_queue_that_there_is(ann, service, operation, dead):
    Queue.objects.create(name="known")
    service.enqueue(None, operation, queue="pending")
    service.enqueue(None, operation, queue="later", delay_seconds=60)
    dead(queue="dead")
    service.mark_in_progress(service.enqueue(None, operation, queue="running"))
    service.release(service.mark_in_progress(service.enqueue(None, operation, queue="back")))
    service.enqueue(None, operation, queue="stopped")
    service.pause_queue("stopped")
    with overridden(ROUTES={"mail.*": {"queue": "routed"}, "odd.*": {"priority": 5}}):
        for model in ("queueitem", "deaditem", "historyitem"):
            assert choices(ann, model) >= {
                "demo", "default", "known", "routed", "pending", "later", "dead", "running", "back", "stopped",
            }  # fmt: skip
    assert "routed" not in choices(ann)


def test_an_item_is_found_by_its_id_in_every_list_that_has_it(ann, some):
    assert ids(ann.get(f"{url('queueitem')}?q={some['delayed']}")) == [some["delayed"]]
    assert ids(ann.get(f"{url('deaditem')}?q={some['dead']}")) == [some["dead"]]
    assert ids(ann.get(f"{url('historyitem')}?q={some['completed']}")) == [some["completed"]]
    assert set(ids(ann.get(f"{url('historyitem')}?status=cancelled"))) == {some["cancelled"]}
    assert len(ids(ann.get(f"{url('attempt')}?q={some['dead']}"))) == 1
    assert ids(ann.get(f"{url('attempt')}?q=nothing")) == []
    assert len(ids(ann.get(f"{url('attempt')}?outcome=failed"))) == 2
    assert len(ids(ann.get(f"{url('auditentry')}?q={some['cancelled']}"))) == 1
    assert len(ids(ann.get(f"{url('auditentry')}?q=bob"))) == 1


def test_the_banner_names_the_queue_that_nobody_serves_on_every_list(ann, service, operation):
    service.enqueue(None, operation, delay_seconds=3600, queue="mail")
    for model in MODELS:
        page = ann.get(url(model)).content.decode()
        assert "No worker serves queue mail: run manage.py run_queue_worker --queue mail" in page, model

    claiming.register("default", Worker.Kind.WORKER, lease_seconds=30, queues=["demo"])
    assert "No worker serves queue mail" in ann.get(url("worker")).content.decode()
    claiming.register("default", Worker.Kind.WORKER, lease_seconds=30, queues=["mail"])
    assert "No worker serves" not in ann.get(url("worker")).content.decode()


@pytest.mark.parametrize("state", ["ordering", "pending", "retry"])
def test_the_banner_sees_items_in_every_lane(ann, service, operation, state):
    first = service.enqueue("d", operation)
    if state != "pending":
        claimed = service.mark_in_progress(first)
        service.enqueue("d", operation)
    if state == "retry":
        service.mark_failed(claimed, "no")
    assert "No worker serves queue demo" in ann.get(url("queueitem")).content.decode()


def test_the_banner_is_silent_for_paused_queues_and_where_cron_is_at_work(ann, service, operation):
    service.enqueue(None, operation)
    Queue.objects.create(name="demo", paused_at="2030-01-01T00:00:00Z")
    assert ann.get(url("queueitem")).context["docqueue_hints"] == []
    Queue.objects.all().delete()
    assert len(ann.get(url("queueitem")).context["docqueue_hints"]) == 1
    claiming.register("default", Worker.Kind.CRON, lease_seconds=30)
    assert ann.get(url("queueitem")).context["docqueue_hints"] == []


def test_workers_show_whether_they_live_and_what_they_hold(ann, service, operation):
    register = claiming.register
    live = register("default", Worker.Kind.WORKER, lease_seconds=30, name="live-one", queues=["demo"], processes=2)
    silent = register("default", Worker.Kind.WORKER, lease_seconds=-5, name="silent-one")
    stopped = register("default", Worker.Kind.WORKER, lease_seconds=30, name="stopped-one")
    claiming.stop("default", stopped)
    service.enqueue_many(NewItem(operation=operation) for _ in range(3))
    held = service.claim(2, worker=live)

    states = {row.pk: row for row in ann.get(url("worker")).context["cl"].result_list}
    assert states[live].held_shown == 2
    assert states[silent].held_shown == 0
    for state, one in (("live", live), ("lost", silent), ("stopped", stopped)):
        assert ids(ann.get(f"{url('worker')}?state={state}")) == [one]
    page = ann.get(url("worker", "change", live)).content.decode()
    assert all(f">#{item.id}</a>" in page for item in held)


def test_empty_lists_teach(ann):
    assert "No worker has reported. Start one: manage.py run_queue_worker" in ann.get(url("worker")).content.decode()
    assert "A queue appears with its first item." in ann.get(url("queue")).content.decode()
    assert "Nothing matches." in ann.get(f"{url('queueitem')}?q=nothing").content.decode()


def test_every_empty_list_says_what_would_be_there(admin_client):
    names = [m._meta.model_name for m in site._registry if m._meta.app_label == "docqueue" and m is not Overview]
    assert len(names) >= 12
    for name in names:
        page = admin_client.get(url(name)).content.decode()
        assert "docqueue-empty" in page, name
        assert "There is nothing here." not in page, name


def test_the_list_of_workers_links_to_what_they_run(ann):
    row = worker(datetime.now(UTC))
    slots = [{"pid": n, "item_id": 70 + n} for n in range(4)] + [{"pid": 9}]
    Worker.objects.filter(pk=row).update(info={"slots": slots})
    page = ann.get(url("worker")).content.decode()
    cell = page.split('class="field-busy"')[1].split("</td>")[0]
    assert re.sub(r"<[^>]*>", "", cell) == ">4 of 5: #70, #71, #72 …"
    assert f'href="{url("queueitem", "change", 72)}"' in cell


def test_lists_need_the_permission_to_see_them(operator, some):
    client = operator()
    for model in MODELS:
        assert client.get(url(model)).status_code == 403, model
    viewer = operator("view_queueitem", name="bob")
    for model in ("queueitem", "deaditem", "historyitem"):
        assert viewer.get(url(model)).status_code == 200
    assert not Attempt.objects.none().exists()
    assert AuditEntry.objects.count() == 1


@pytest.mark.parametrize("page", [1, 2])
@pytest.mark.parametrize(
    ("model", "index"),
    [("queueitem", "docqueue_item_pkey"), ("deaditem", "docqueue_item_dead"), ("historyitem", "finished_at_id")],
)
def test_a_page_is_one_walk_along_an_index_without_sorting(ann, service, dead, model, index, page):
    made = [dead() for _ in range(3)]
    service.discard(made[0])
    admin_of = {"queueitem": QueueItem, "deaditem": DeadItem, "historyitem": HistoryItem}[model]
    moment = int(made[2] + 1 if model == "queueitem" else 4_000_000_000_000_000 * 2**63)
    statements, _ = queries(ann, url(model) + (f"?p={moment}" if page == 2 else ""))
    (sql,) = [s for s in statements if f'FROM "{admin_of._meta.db_table}"' in s and '"crashes"' in s]

    with connection.cursor() as cursor:
        cursor.execute("set local enable_seqscan = off")  # the tables are tiny here
        cursor.execute("set local enable_bitmapscan = off")
        cursor.execute("explain " + sql)
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert index in plan
    assert "Sort" not in plan.replace("Sort Key", "")
