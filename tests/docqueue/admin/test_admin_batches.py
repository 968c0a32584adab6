"""The page of a batch: its items, and sealing it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from docqueue.models import AuditEntry, Batch, HistoryItem
from docqueue.service import NewItem
from tests.docqueue.admin.conftest import ALL

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]


def page(client, batch):
    answer = client.get(reverse("admin:docqueue_batch_change", args=[batch.id]))
    assert answer.status_code == 200
    return answer.content.decode()


def listed(client, model, query):
    answer = client.get(reverse(f"admin:docqueue_{model}_changelist") + query)
    assert answer.status_code == 200
    return [row.pk for row in answer.context["cl"].result_list]


@pytest.fixture
def batch(service, operation):
    """Two pending items, one dead, one cancelled, one completed; and others of another batch and of none."""
    made = service.batch("pages")
    made.ids = made.add([NewItem(operation=operation, ordering_key=None) for _ in range(5)])
    service.batch("other").add([NewItem(operation=operation)])
    service.enqueue(None, operation)
    dead, cancelled, completed = made.ids[:3]
    service.move_to_dead(service.mark_in_progress(dead), "no")
    service.cancel(cancelled)
    service.mark_completed(service.mark_in_progress(completed))
    return made


def test_the_page_of_a_batch_links_to_its_items(ann, batch):
    shown = page(ann, batch)
    for model, status, text, ids in (
        ("queueitem", "", "live", [*reversed(batch.ids[3:]), batch.ids[0]]),
        ("queueitem", "", "2", [*reversed(batch.ids[3:]), batch.ids[0]]),
        ("deaditem", "", "1", batch.ids[:1]),
        ("historyitem", "", "finished", [batch.ids[2], batch.ids[1]]),
        ("historyitem", "&status=cancelled", "1", batch.ids[1:2]),
        ("historyitem", "&status=completed", "1", batch.ids[2:3]),
    ):
        query = f"?batch_id={batch.id}{status}"
        there = reverse(f"admin:docqueue_{model}_changelist") + query.replace("&", "&amp;")
        assert f'<a href="{there}">{text}</a>' in shown
        assert listed(ann, model, query) == ids
    assert listed(ann, "queueitem", f"?batch_id={batch.id}&status=dead") == batch.ids[:1]


@pytest.mark.parametrize("value", ["0", "x", "%C2%B2", "-1", "9" * 18, "9" * 40])
def test_a_batch_that_there_is_not_has_no_items(ann, batch, value):
    for model in ("queueitem", "deaditem", "historyitem"):
        assert listed(ann, model, f"?batch_id={value}") == []


@pytest.mark.parametrize("model", ["queueitem", "historyitem"])
def test_items_of_a_batch_are_paged_by_key_without_a_gap_or_a_repeat(ann, batch, service, model, monkeypatch):
    from django.contrib import admin

    for registered, options in admin.site._registry.items():
        if registered._meta.model_name == model:
            monkeypatch.setattr(options, "list_per_page", 2)
    if model == "historyitem":
        for item in batch.ids[3:]:
            service.cancel(item)
    address, query, seen = reverse(f"admin:docqueue_{model}_changelist"), f"?batch_id={batch.id}", []
    while query:
        answer = ann.get(address + query)
        seen += [row.pk for row in answer.context["cl"].result_list]
        query = answer.context["cl"].next_link
    finished = (
        HistoryItem.objects.filter(batch_id=batch.id).order_by("-finished_at", "-id").values_list("pk", flat=True)
    )
    assert seen == ([*finished] if model == "historyitem" else [*reversed(batch.ids[3:]), batch.ids[0]])


@pytest.mark.parametrize(
    ("model", "indexes"),
    [("queueitem", {"docqueue_item_batch", "docqueue_item_dead"}), ("historyitem", {"batch_id_idx"})],
)
def test_items_of_a_batch_are_read_by_the_index_over_it(ann, batch, service, operation, model, indexes):
    """Those of an old batch stand at the far end of the list: it must not be walked through."""
    service.batch("big").add([NewItem(operation=operation, ordering_key=None) for _ in range(3000)])
    address = reverse(f"admin:docqueue_{model}_changelist")
    with connection.cursor() as cursor:
        cursor.execute("analyze docqueue_item, docqueue_history")
        with CaptureQueriesContext(connection) as captured:
            ann.get(f"{address}?batch_id={batch.id}")
        (sql,) = [q["sql"] for q in captured if '"crashes"' in q["sql"] and "LIMIT" in q["sql"]]
        cursor.execute("set local enable_seqscan = off")  # the history is tiny here
        cursor.execute("explain " + sql)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert all(index in plan for index in indexes), plan
    assert "docqueue_item_pkey" not in plan


def test_sealing_asks_first_and_is_audited(operator, batch):
    ann = operator(*ALL, "change_batch", name="cid")
    url = reverse("admin:docqueue_batch_seal", args=[batch.id])
    assert f'href="{url}"' in page(ann, batch)
    for answer in (ann.get(url), ann.post(url)):
        assert "This can not be undone." in answer.content.decode()
    assert Batch.objects.get(pk=batch.id).sealed_at is None

    answer = ann.post(url, {"confirmed": "yes", "reason": "its program died"}, follow=True)

    assert f"Batch #{batch.id} is sealed." in answer.content.decode()
    assert Batch.objects.get(pk=batch.id).sealed_at is not None
    entry = AuditEntry.objects.get(action="seal_batch")
    assert (entry.actor, entry.reason, entry.filter) == ("cid", "its program died", {"batch": batch.id})
    assert url not in page(ann, batch)
    again = ann.post(url, {"confirmed": "yes"}, follow=True)
    assert f"Batch #{batch.id} was sealed already." in again.content.decode()
    assert AuditEntry.objects.filter(action="seal_batch").count() == 1


def test_sealing_needs_its_permission(ann, operator, batch):
    url = reverse("admin:docqueue_batch_seal", args=[batch.id])
    assert url not in page(ann, batch)
    others = operator("change_batch", name="eve")
    for client in (ann, others):
        assert client.post(url, {"confirmed": "yes"}).status_code == 403
    assert Batch.objects.get(pk=batch.id).sealed_at is None


def test_a_batch_that_there_is_not_can_not_be_sealed(operator):
    ann = operator(*ALL, "change_batch", name="cid")
    answer = ann.post(reverse("admin:docqueue_batch_seal", args=[4711]), {"confirmed": "yes"}, follow=True)
    assert "doesn’t exist" in answer.content.decode()
