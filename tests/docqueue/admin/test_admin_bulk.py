"""From a list to a bulk operation, its progress, its end; and pausing a queue."""

import re

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from docqueue import store
from docqueue.admin.bulk_words import about
from docqueue.maintenance import bulk
from docqueue.models import AuditEntry, BulkOperation, Queue
from docqueue.states import Status
from tests.docqueue.admin.conftest import ALL

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]
EVERY = (*ALL, "view_bulkoperation", "delete_historyitem", "change_queueitem", "change_queue", "view_historyitem")


@pytest.fixture
def chief(operator):
    """Who may do everything, bulk operations and pauses included."""
    return operator(*EVERY, name="cleo")


def start(model, action, query=""):
    return reverse(f"admin:docqueue_{model}_bulk", args=[action]) + query


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_a_list_leads_to_all_that_it_shows_and_the_request_changes_no_item(chief, service, dead):
    ids = [dead(), dead()]
    listed = chief.get(reverse("admin:docqueue_deaditem_changelist") + "?queue=demo").content.decode()
    address = start("deaditem", "requeue", "?queue=demo")
    assert f'href="{address}"' in listed

    asked = chief.get(address).content.decode()
    assert "Requeue all that match?" in asked
    assert "demo" in asked
    assert not BulkOperation.objects.exists()

    answer = chief.post(address, {"confirmed": "yes", "reason": "fixed"})

    assert answer.status_code == 302
    assert answer["Location"] == reverse("admin:docqueue_bulkoperation_changelist")
    started = BulkOperation.objects.get()
    assert said(answer) == [f"Bulk operation {started.pk} was started: the workers do it, 2 in all."]
    assert (started.action, started.filter, started.actor, started.reason, started.total) == (
        "requeue",
        {"queue": "demo", "status": ["dead"]},
        "cleo",
        "fixed",
        2,
    )
    assert {service.get_status(i) for i in ids} == {Status.DEAD}
    bulk.run("default")
    assert {service.get_status(i) for i in ids} == {Status.PENDING}


def test_the_confirmation_says_how_many_match_which_they_are_and_what_becomes_of_them(chief, service, dead, operation):
    for _ in range(3):
        dead()
    dead(queue="other")
    service.enqueue(None, operation)

    asked = chief.get(start("deaditem", "discard", "?queue=demo")).content.decode()

    assert '<th scope="row">how many match now</th><td class="docqueue-text">3</td>' in asked
    assert "items that are dead, of queue demo</td>" in asked
    assert "They are given up for good and move to the history. This can not be undone." in asked
    asked = chief.get(start("queueitem", "priority", f"?operation={operation}")).content.decode()
    assert f"items that are waiting or pending, with operation {operation}</td>" in asked
    assert '<td class="docqueue-text">1</td>' in asked
    assert not BulkOperation.objects.exists()


def test_the_confirmation_counts_no_further_than_the_bound(chief, dead, monkeypatch):
    for _ in range(4):
        dead()
    dead(queue="other")
    monkeypatch.setattr("docqueue.bulk.COUNTED", 3)
    monkeypatch.setattr("docqueue.admin.bulk_words.COUNTED", 3)
    assert ">more than 3</td>" in chief.get(start("deaditem", "requeue", "?queue=demo")).content.decode()
    monkeypatch.setattr("docqueue.bulk.LOOKED_AT", 1)
    asked = chief.get(start("deaditem", "requeue", "?operation=there.is.none")).content.decode()
    assert ">at least 0, as not all were looked at</td>" in asked


def test_every_key_of_a_filter_is_put_in_words():
    found = dict.fromkeys(("queue", "operation", "document_id", "error_code", "fingerprint", "enqueued_before"), "x")
    assert about({"status": ["waiting", "pending", "in_progress"], **found}) == (
        "items that are waiting, pending or in progress, of queue x, with operation x, of document x,"
        " that failed with x, whose failure is x, enqueued before x"
    )


def test_a_post_without_the_confirmation_asks(chief, dead):
    dead()
    assert chief.post(start("deaditem", "discard")).status_code == 200
    assert not BulkOperation.objects.exists()


def test_the_progress_is_listed(chief, service, dead):
    for _ in range(4):
        dead()
    found = service.bulk("requeue", status="dead", by="ada", reason="<why>")
    bulk.one_slice("default", found.pk, 1)
    shown = chief.get(reverse("admin:docqueue_bulkoperation_changelist")).content.decode()
    assert "1 / 4 (25 %)" in shown
    assert "&lt;why&gt;" in shown
    page = chief.get(reverse("admin:docqueue_bulkoperation_change", args=[found.pk])).content.decode()
    assert "1 / 4 (25 %)" in page


def page_of(operation):
    return reverse("admin:docqueue_bulkoperation_change", args=[operation.pk])


def abort_of(operation):
    return reverse("admin:docqueue_bulkoperation_abort", args=[operation.pk])


def test_the_page_of_one_says_how_far_it_is_and_who_did_what_why(chief, service, dead, operation):
    for _ in range(3):
        service.enqueue(None, operation)
    found = service.bulk("priority", priority=50, queue="demo", by="ada", reason="<it is urgent>")
    service.move_to_dead(service.mark_in_progress(service.get_item(found.last_id)), "no")
    bulk.one_slice("default", found.pk, 1)
    service.bulk_abort(found.pk, by="bob", reason="<wrong queue>")

    page = chief.get(page_of(found)).content.decode()

    assert "change priority to 50" in page
    assert "items that are waiting or pending, of queue demo" in page
    assert "1 / 3 (33 %)" in page
    for said_by, why in (("ada", "&lt;it is urgent&gt;"), ("bob", "&lt;wrong queue&gt;")):
        assert f'<td class="docqueue-text">{said_by}</td>' in page
        assert f'<td class="docqueue-text">{why}</td>' in page
    assert "bulk_priority_aborted" in page
    assert "Abort" not in page, "it has ended"
    assert "change priority to 50" in chief.get(reverse("admin:docqueue_bulkoperation_changelist")).content.decode()


def test_the_page_of_one_lists_why_items_were_skipped_with_the_first_of_them(chief, service, dead, monkeypatch):
    ids = [dead() for _ in range(9)]
    found = service.bulk("discard", status="dead")
    service.requeue(ids[8])  # it does not match any more before its turn
    for item in ids[:7]:
        service.requeue(item)
    service.cancel(ids[6])
    monkeypatch.setattr("docqueue.maintenance.bulk.ACTIONS", {"discard": lambda using, params: {ids[7]}})
    look = store.run

    def all_of_them(using, name, params):
        return [(ids[:8], None)] if name == "bulk_slice" else look(using, name, params)

    monkeypatch.setattr(store, "run", all_of_them)
    bulk.one_slice("default", found.pk, 1000)
    page = re.sub(r"<[^>]*>", "", chief.get(page_of(found)).content.decode())

    assert f"6 pending by then #{ids[0]}, #{ids[1]}, #{ids[2]}, #{ids[3]}, #{ids[4]} …" in page
    assert f"1 cancelled by then #{ids[6]}" in page
    assert "1 did not match any more before it was their turn" in page


def test_one_is_aborted_from_its_page_once_that_is_confirmed(chief, service, dead):
    for _ in range(4):
        dead()
    found = service.bulk("requeue", status="dead", by="ada")
    bulk.one_slice("default", found.pk, 1)
    assert f'href="{abort_of(found)}"' in chief.get(page_of(found)).content.decode()

    asked = chief.post(abort_of(found), {"reason": "no"}).content.decode()
    assert "Abort?" in asked
    assert "1 / 4 (25 %)" in asked
    assert service.bulk_status(found.pk).state == "running"

    answer = chief.post(abort_of(found), {"confirmed": "yes", "reason": "wrong queue"})
    assert (answer["Location"], said(answer)) == (
        page_of(found),
        [f"Bulk operation {found.pk} was aborted; 1 item was changed before."],
    )
    assert service.bulk_status(found.pk).state == "aborted"
    last = AuditEntry.objects.order_by("-id")[0]
    assert (last.action, last.actor, last.reason, last.count) == ("bulk_requeue_aborted", "cleo", "wrong queue", 1)

    answer = chief.post(abort_of(found), {"confirmed": "yes"})
    assert said(answer)[-1] == f"Skipped: Bulk operation {found.pk} is aborted already."


def test_who_may_not_start_one_may_not_abort_it(operator, service, dead):
    dead()
    found = service.bulk("discard", status="dead")
    ann = operator("view_bulkoperation", "requeue_item")
    page = ann.get(page_of(found)).content.decode()
    assert abort_of(found) not in page
    assert "bulk_discard" not in page, "nor see the audit without its permission"
    assert ann.post(abort_of(found), {"confirmed": "yes"}).status_code == 403
    blind = operator("cancel_item", name="bob")
    assert blind.post(abort_of(found), {"confirmed": "yes"}).status_code == 403
    assert service.bulk_status(found.pk).state == "running"


def test_chosen_ones_are_aborted_as_far_as_that_is_allowed(operator, service, dead):
    dead()
    requeue, discard, ended = (service.bulk(a, status="dead") for a in ("requeue", "discard", "requeue"))
    service.bulk_abort(ended.pk)
    ann = operator("view_bulkoperation", "requeue_item")
    data = {"action": "abort", "_selected_action": [requeue.pk, discard.pk, ended.pk]}
    listing = reverse("admin:docqueue_bulkoperation_changelist")

    asked = ann.post(listing, data | {"index": 0}).content.decode()
    assert 'value="Yes, Abort (3 bulk operations)"' in asked
    assert asked.count('name="_selected_action"') == 3
    assert "items that are dead" in asked
    assert BulkOperation.objects.filter(state="running").count() == 2, "nothing was done yet"

    answer = ann.post(listing, data | {"confirmed": "yes", "reason": "wrong queue"})

    assert sorted(said(answer)) == [
        f"Bulk operation {requeue.pk} was aborted; 0 items were changed before.",
        f"Skipped: Bulk operation {ended.pk} is aborted already.",
        f"Skipped: you may not abort bulk operation {discard.pk}.",
    ]
    assert [BulkOperation.objects.get(pk=o.pk).state for o in (requeue, discard)] == ["aborted", "running"]
    last = AuditEntry.objects.latest("id")
    assert (last.action, last.actor, last.reason) == ("bulk_requeue_aborted", "ann", "wrong queue")


@pytest.mark.parametrize(
    ("model", "action", "codename"),
    [
        ("queueitem", "requeue", "requeue_item"),
        ("queueitem", "cancel", "cancel_item"),
        ("queueitem", "priority", "change_queueitem"),
        ("deaditem", "discard", "cancel_item"),
        ("historyitem", "purge", "delete_historyitem"),
    ],
)
def test_each_needs_its_permission_and_its_list(operator, model, action, codename):
    without = operator(*(set(EVERY) - {codename}), name="bob")
    assert without.post(start(model, action), {"confirmed": "yes"}).status_code == 403
    assert without.get(start("historyitem", "requeue")).status_code == 403
    assert not BulkOperation.objects.exists()
    with_it = operator("view_queueitem", codename, name="cid")
    assert with_it.post(start(model, action), {"confirmed": "yes", "priority": "5", "reason": "so"}).status_code == 302
    assert BulkOperation.objects.get().action == action


def test_what_a_bulk_operation_can_not_ask_for_is_said(chief, dead):
    dead()
    answer = chief.post(start("deaditem", "requeue", "?q=7"), {"confirmed": "yes"})
    assert said(answer) == ["A bulk operation can not be narrowed by a search: take that out of the list first."]
    answer = chief.get(start("queueitem", "requeue", "?status=pending"))
    assert "requeue is about items that are dead or waiting, not 'pending'." in said(answer)[-1]
    answer = chief.post(start("queueitem", "priority"), {"confirmed": "yes", "priority": "1e3"})
    assert "priority must be" in said(answer)[-1]
    assert not BulkOperation.objects.exists()


def test_who_may_only_look_sees_no_links(operator, dead):
    dead()
    bob = operator("view_queueitem", name="bob")
    assert "docqueue-bulk" not in bob.get(reverse("admin:docqueue_deaditem_changelist")).content.decode()


def test_a_queue_is_paused_with_a_reason_and_resumed(chief, service, operation):
    item = service.enqueue(None, operation)
    queues = reverse("admin:docqueue_queue_changelist")
    pause = reverse("admin:docqueue_queue_pause") + "?queue=demo"
    assert f'href="{pause}"' in chief.get(queues).content.decode()
    asked = chief.get(pause).content.decode()
    assert "Pause?" in asked
    assert re.search(r"pending</th><td[^>]*>1</td>", asked), "how many it is about"
    assert not Queue.objects.exists()

    answer = chief.post(pause, {"confirmed": "yes", "reason": "the archive moves"})

    assert (answer["Location"], said(answer)) == (f"{queues}of/?queue=demo", ["Queue demo is paused."])
    assert service.explain(item) == "Waiting: queue demo is paused (the archive moves)."
    resume = reverse("admin:docqueue_queue_resume") + "?queue=demo"
    assert f'href="{resume}"' in chief.get(queues).content.decode()
    told = said(chief.post(pause, {"confirmed": "yes", "reason": "still"}))[-2:]
    assert told == [
        "cleo had paused it already, 0 s ago: your reason stands in place of that.",
        "Queue demo is paused.",
    ]
    assert said(chief.post(resume, {"confirmed": "yes"}))[-1] == "Queue demo goes on."
    assert said(chief.post(resume, {"confirmed": "yes"}))[-1] == (
        "Queue demo was not paused. Last: resumed by cleo, 0 s ago."
    )
    assert [(e.action, e.actor) for e in AuditEntry.objects.order_by("id")] == [
        ("pause_queue", "cleo"),
        ("pause_queue", "cleo"),
        ("resume_queue", "cleo"),
    ]


def test_pausing_needs_its_permission(operator, service, operation):
    service.enqueue(None, operation)
    ann = operator(*ALL)
    assert "Pause" not in ann.get(reverse("admin:docqueue_queue_changelist")).content.decode()
    for verb in ("pause", "resume"):
        address = reverse(f"admin:docqueue_queue_{verb}") + "?queue=demo"
        assert ann.post(address, {"confirmed": "yes"}).status_code == 403
    assert not Queue.objects.exists()
