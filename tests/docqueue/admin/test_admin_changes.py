"""Run now, another priority, clones, what people ask of workers, and what is older than so many days."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from docqueue.maintenance import bulk
from docqueue.models import AuditEntry, BulkOperation, Checkpoint, HistoryItem, QueueItem, Worker
from docqueue.redaction import HIDDEN
from docqueue.states import Status
from tests.docqueue.admin.conftest import ALL
from tests.docqueue.admin.test_admin_pages import HOSTILE, inert, page
from tests.docqueue.admin.test_admin_related import related
from tests.docqueue.helpers import worker

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]
MORE = ("change_queueitem", "add_queueitem", "manage_workers", "delete_historyitem")


@pytest.fixture
def chief(operator):
    return operator(*ALL, *MORE, name="cleo")


def said(answer):
    return [str(message) for message in get_messages(answer.wsgi_request)]


def there(name, *args):
    return reverse(f"admin:docqueue_{name}", args=args)


def test_an_item_that_waits_for_its_time_can_run_now(chief, service, operation):
    item = service.enqueue(None, operation, delay_seconds=3600).id
    do = there("queueitem_do", item, "run_now")
    assert f'formaction="{do}"' in page(chief, "queueitem", item)
    answer = chief.post(do, {"reason": "somebody asks"})
    assert said(answer) == ["1 item goes on."]
    assert service.get_status(item) == Status.PENDING
    assert f'formaction="{do}"' not in page(chief, "queueitem", item)
    assert AuditEntry.objects.get().action == "run_now"


def test_who_waits_for_its_turn_is_not_offered_to_run_now(chief, service, operation):
    service.enqueue("d", operation)
    second = service.enqueue("d", operation).id
    assert "run_now" not in page(chief, "queueitem", second)
    answer = chief.post(there("queueitem_do", second, "run_now"))
    assert "run_now does not apply to why it waits" in said(answer)[0]


def test_the_second_of_two_operators_is_told_who_was_first(chief, ann, service, operation):
    item = service.enqueue(None, operation, delay_seconds=3600).id
    chief.post(there("queueitem_do", item, "run_now"))
    told = said(ann.post(there("queueitem_do", item, "run_now")))
    assert "is pending" in told[0]
    assert "Last: run_now by cleo" in told[0]
    assert AuditEntry.objects.count() == 1


def test_the_priority_is_asked_for_and_changed_with_a_reason(chief, service, operation):
    item = service.enqueue(None, operation).id
    change = there("queueitem_change_priority", item)
    assert f'href="{change}"' in page(chief, "queueitem", item)
    assert 'name="priority"' in chief.get(change).content.decode()
    answer = chief.post(change, {"confirmed": "yes", "priority": "40", "reason": "soon"})
    assert said(answer) == ["The priority is 40 now."]
    assert QueueItem.objects.get(pk=item).priority == 40
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.reason, entry.filter) == ("cleo", "soon", {"priority": 40})
    assert said(chief.post(change, {"confirmed": "yes", "priority": "40"}))[-1] == "It had priority 40 already."
    for wrong in ("", "1e3", "101", "²"):
        assert "Nothing was changed" in said(chief.post(change, {"confirmed": "yes", "priority": wrong}))[-1]
    service.mark_in_progress(item)
    assert "Nothing was changed" in said(chief.post(change, {"confirmed": "yes", "priority": "1"}))[-1]
    assert f'href="{change}"' not in page(chief, "queueitem", item)


def test_a_clone_is_a_form_of_the_item_in_which_secrets_are_hidden_and_kept(chief, service, operation):
    item = service.enqueue("d1", operation, payload={"colour": "blue", "api_key": "k-123"}).id
    clone = there("queueitem_clone", item)
    assert f'href="{clone}"' in page(chief, "queueitem", item)
    asked = chief.get(clone)
    form = asked.context["form"]
    assert "k-123" not in asked.content.decode()
    assert form.initial["payload"] == json.dumps({"colour": "blue", "api_key": HIDDEN}, indent=2, ensure_ascii=False)
    given = {"operation": operation, "queue": "other", "priority": "5", "document_id": "d2", "reason": "red, please"}
    payload = json.dumps({"colour": "red", "api_key": HIDDEN})

    answer = chief.post(clone, {**given, "payload": payload})

    new = QueueItem.objects.latest("id")
    assert answer["Location"] == there("queueitem_change", new.pk)
    assert (new.payload, new.queue, new.priority) == ({"colour": "red", "api_key": "k-123"}, "other", 5)
    assert (new.document_id, new.metadata["cloned_from"]) == ("d2", item)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.item_id, entry.actor, entry.reason) == ("clone", item, "cleo", "red, please")
    assert f"clone (new: {new.pk})" in page(chief, "queueitem", item)
    assert related(page(chief, "queueitem", new.pk))[0][:2] == ["Cloned from", f"{operation} #{item}"]
    assert related(page(chief, "queueitem", item))[0][:2] == ["Cloned to", f"{operation} #{new.pk}"]


def test_what_is_hidden_does_not_go_to_another_operation(chief, service, operation, register):
    register("admin.other")
    item = service.enqueue(None, operation, payload={"colour": "blue", "api_key": "k-123"}).id
    given = {"operation": "admin.other", "queue": "q", "priority": "0"}
    clone = there("queueitem_clone", item)
    asked = chief.post(clone, given | {"payload": json.dumps({"colour": "red", "api_key": HIDDEN})})
    assert "can not go to another operation" in asked.content.decode()
    assert QueueItem.objects.count() == 1
    assert chief.post(clone, given | {"payload": json.dumps({"colour": "red"})}).status_code == 302
    assert QueueItem.objects.latest("id").payload == {"colour": "red"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"payload": "{"}, "That is no JSON"),
        ({"payload": "[" * 100_000}, "That is no JSON"),
        ({"payload": "[1]"}, "A payload is a JSON object"),
        ({"operation": "no.such"}, "no.such"),
        ({"priority": "300"}, "less than or equal to 100"),
        ({"payload": json.dumps({"a": "x" * 300_000})}, "256 KiB"),
    ],
    ids=["broken", "deep", "list", "unknown operation", "priority", "large"],
)
def test_a_clone_that_can_not_be_is_said_in_the_form_and_enqueues_nothing(chief, service, operation, change, told):
    item = service.enqueue(None, operation).id
    given = {"operation": operation, "queue": "q", "priority": "0", "payload": "{}"}
    answer = chief.post(there("queueitem_clone", item), given | change)
    assert answer.status_code == 200
    assert answer.context["form"].errors, told
    assert QueueItem.objects.count() == 1


def test_who_may_not_see_payloads_clones_without_seeing_them_and_who_may_not_add_not_at_all(
    operator, service, operation
):
    item = service.mark_in_progress(service.enqueue(None, operation, payload={"colour": "blue"}))
    service.mark_completed(item)
    adder, viewer = operator("view_queueitem", "add_queueitem", name="bob"), operator("view_queueitem", name="eve")
    clone = there("historyitem_clone", item.id)
    assert "blue" not in adder.get(clone).content.decode()
    given = {"operation": operation, "queue": "demo", "priority": "0", "payload": '{"colour": "red"}'}
    adder.post(clone, given)
    assert QueueItem.objects.get().payload == {"colour": "blue"}
    assert viewer.get(clone).status_code == 403
    assert viewer.post(clone, given).status_code == 403
    assert "clone/" not in page(viewer, "historyitem", item.id)


def test_secrets_are_hidden_in_payload_metadata_result_and_steps(chief, service, operation):
    item = service.mark_in_progress(
        service.enqueue(None, operation, payload={"token": "t-1"}, metadata={"password": "p-1"})
    )
    Checkpoint.objects.create(
        item_id=item.id, name="one", result={"secret": "s-1", "n": 1}, created_at=datetime.now(UTC)
    )
    Checkpoint.objects.create(
        item_id=item.id, name="two", result={"secret": "s-2" * 9000}, created_at=datetime.now(UTC)
    )
    shown = page(chief, "queueitem", item.id)
    assert "&quot;n&quot;: 1" in shown
    assert "characters" in shown
    service.mark_completed(item, result={"cookie": "c-1"})
    shown += page(chief, "historyitem", item.id)
    for secret in ("t-1", "p-1", "s-1", "s-2", "c-1"):
        assert f"{secret}&quot;" not in shown
    assert HIDDEN in shown


def test_the_timeline_tells_it_all_in_order(chief, service, operation, dead):
    item = dead("d", message="page 3 is torn", ordering_key=None)
    service.requeue(item, by="bob", reason="mended")
    service.mark_completed(service.mark_in_progress(item))
    shown = page(chief, "historyitem", item)
    events = ["enqueued", "attempt 1: failed", "page 3 is torn", "Traceback: line 1", "requeue", "bob", "mended"]
    places = [shown.index(event, shown.index("What has happened")) for event in events]
    assert places == sorted(places)
    assert shown.index(">completed</span>", places[-1])


def test_a_worker_is_asked_from_its_page_and_says_so(chief):
    row = worker(datetime.now(UTC))
    slots = [{"pid": 2, "rss_mb": 40, "cpu": 5, "item_id": 7, "operation": "x"}, {"pid": 3, "rss_mb": 30, "cpu": 95}]
    Worker.objects.filter(pk=row).update(info={"slots": slots, "rss_mb": 50, "cpu": 1, "database": "ok"})
    shown = page(chief, "worker", row)
    for told in ("1 of 2", "120 MiB", "101 %", "CPU 95 %"):
        assert told in shown
    quiet, go_on, stop = (there("worker_ask", row, f"{verb}_worker") for verb in ("quiet", "unquiet", "stop"))
    assert f'href="{quiet}"' in shown
    assert go_on not in shown
    assert "claims nothing new" in chief.get(quiet).content.decode()
    assert Worker.objects.get(pk=row).asked is None
    chief.post(quiet, {"confirmed": "yes", "reason": "a look"})
    shown = page(chief, "worker", row)
    assert "to claim nothing new, by cleo" in shown
    assert f'href="{go_on}"' in shown
    assert said(chief.post(quiet, {"confirmed": "yes"}))[-1] == "The worker was quiet already."
    chief.post(stop, {"confirmed": "yes"})
    assert Worker.objects.get(pk=row).asked == "stop"
    assert f'href="{go_on}"' not in page(chief, "worker", row)
    assert "asked to stop by cleo" in said(chief.post(go_on, {"confirmed": "yes"}))[-1]
    assert [e.action for e in AuditEntry.objects.order_by("id")] == ["quiet_worker", "stop_worker"]


def test_nothing_is_asked_of_a_worker_whose_lease_has_run_out(chief):
    row = worker(datetime.now(UTC) - timedelta(minutes=2))
    for asked in (None, "quiet"):
        Worker.objects.filter(pk=row).update(asked=asked)
        assert "/ask/" not in page(chief, "worker", row)
    told = said(chief.post(there("worker_ask", row, "stop_worker"), {"confirmed": "yes"}))[-1]
    assert "its lease has run out" in told


def test_asking_a_worker_needs_its_permission(ann):
    row = worker(datetime.now(UTC))
    assert "/ask/" not in page(ann, "worker", row)
    for verb in ("quiet_worker", "unquiet_worker", "stop_worker", "dance"):
        assert ann.post(there("worker_ask", row, verb), {"confirmed": "yes"}).status_code == 403
    assert Worker.objects.get(pk=row).asked is None


def finished(service, operation, days):
    item = service.mark_in_progress(service.enqueue(None, operation))
    service.mark_completed(item, now=datetime.now(UTC) - timedelta(days=days))
    return item.id


def test_what_finished_more_than_so_many_days_ago_is_looked_at_and_deleted(chief, service, operation):
    young, old = finished(service, operation, 1), finished(service, operation, 9)
    listed = chief.get(there("historyitem_changelist")).content.decode()
    assert "Delete what finished more than" in listed
    purge = there("historyitem_bulk", "purge") + "?older_than_days=5"
    asked = chief.get(purge).content.decode()
    assert "that ended before" in asked
    assert ">1</td>" in asked
    assert not BulkOperation.objects.exists()
    chief.post(purge, {"confirmed": "yes", "reason": "room"})
    bulk.run("default")
    assert set(HistoryItem.objects.values_list("pk", flat=True)) == {young}
    assert old not in HistoryItem.objects.values_list("pk", flat=True)


def test_what_died_more_than_so_many_days_ago_is_discarded(chief, service, dead):
    young, old = dead(), dead()
    QueueItem.objects.filter(pk=old).update(died_at=datetime.now(UTC) - timedelta(days=9))
    discard = there("deaditem_bulk", "discard") + "?older_than_days=5"
    assert ">1</td>" in chief.get(discard).content.decode()
    chief.post(discard, {"confirmed": "yes", "reason": "too old"})
    bulk.run("default")
    assert service.get_status(old) == Status.CANCELLED
    assert service.get_status(young) == Status.DEAD


@pytest.mark.parametrize("days", ["0", "-1", "x", "1.5", "99999", "²"])
def test_days_that_are_none_are_refused(chief, service, operation, days):
    finished(service, operation, 9)
    purge = there("historyitem_bulk", "purge") + f"?older_than_days={days}"
    assert "Days are a whole number" in said(chief.post(purge, {"confirmed": "yes"}))[0]
    assert not BulkOperation.objects.exists()


def found(client, model, term):
    answer = client.get(there(f"{model}_changelist"), {"q": term})
    return {item.pk for item in answer.context["cl"].result_list}


def test_items_are_found_by_their_keys_and_their_document(ann, service, operation, dead):
    first = service.enqueue("doc-1", operation, unique_key="u-1").id
    second = service.enqueue("doc-1", operation).id
    third = service.enqueue("doc-2", operation, ordering_key="line-1", idempotency_key="i-1").id
    died = dead("doc-1", ordering_key=None)
    assert found(ann, "queueitem", "u-1") == {first}
    assert found(ann, "queueitem", "i-1") == {third}
    assert found(ann, "queueitem", "line-1") == {third}
    assert found(ann, "queueitem", "doc-1") == {first, second, died}
    assert found(ann, "deaditem", "doc-1") == {died}
    assert found(ann, "queueitem", f"#{second}") == {second}
    assert found(ann, "queueitem", "doc") == set()
    assert len(found(ann, "queueitem", operation)) == 4
    service.mark_completed(service.mark_in_progress(first))
    assert found(ann, "historyitem", "u-1") == found(ann, "historyitem", "doc-1") == {first}
    assert found(ann, "historyitem", HOSTILE) == set()


def test_a_document_without_an_ordering_key_is_looked_for_among_the_newest_only(ann, service, operation, monkeypatch):
    old = service.enqueue("doc-1", operation, ordering_key=None).id
    in_line = service.enqueue("doc-2", operation).id
    for _ in range(3):
        service.enqueue(None, operation)
    monkeypatch.setattr("docqueue.admin.searching.LOOKED_AT", 2)
    assert found(ann, "queueitem", "doc-1") == set()
    assert found(ann, "queueitem", "doc-2") == {in_line}
    monkeypatch.setattr("docqueue.admin.searching.LOOKED_AT", 9)
    assert found(ann, "queueitem", "doc-1") == {old}


def test_hostile_strings_are_inert_in_a_clone_and_a_timeline(chief, service, register):
    register("hostile.op", queue="q")
    item = service.enqueue(HOSTILE, "hostile.op", payload={HOSTILE: HOSTILE}).id
    for address in (there("queueitem_clone", item), there("queueitem_change_priority", item)):
        inert(chief.get(address).content.decode())
    hostile = {"operation": HOSTILE, "queue": HOSTILE[:60], "priority": HOSTILE, "payload": HOSTILE, "reason": HOSTILE}
    inert(chief.post(there("queueitem_clone", item), hostile).content.decode())
    service.change_priority(item, 5, by=HOSTILE, reason=HOSTILE)
    inert(page(chief, "queueitem", item))
