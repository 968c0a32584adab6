"""Items: each verb from its page, from a list, and on all that a list shows."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from docqueue.maintenance import bulk
from docqueue.models import AuditEntry, BulkOperation, Checkpoint, HistoryItem, QueueItem
from docqueue.states import Status
from tests.desk.scenes import WHY, Desk, scene
from tests.docqueue.helpers import T0

ITEM, DEAD, PAST = "docqueue/queueitem/", "docqueue/deaditem/", "docqueue/historyitem/"
DO, PRIORITY, CLONE = "<int:item_id>/do/<str:verb>/ ", "<int:item_id>/priority/", "<int:item_id>/clone/"
BULK = "bulk/<str:action>/ "


def live(item: int) -> QueueItem:
    """The row of a live item."""
    return QueueItem.objects.get(pk=item)


def finished(item: int) -> str:
    """How an item ended."""
    assert not QueueItem.objects.filter(pk=item).exists()
    return HistoryItem.objects.get(pk=item).status


# -- from the page of an item ----------------------------------------------------------------------------------------


def _requeued(desk: Desk, page: str) -> None:
    item = desk.dead()
    desk.go(page, item)
    desk.why()
    desk.button("Requeue")
    desk.told("1 item requeued.")
    assert (live(item).status, live(item).attempt) == (Status.PENDING, 0)
    desk.audited("requeue", item_id=item, count=1)


@scene(ITEM + DO + "requeue")
def requeue(desk: Desk) -> None:
    _requeued(desk, "docqueue_queueitem_change")


@scene(DEAD + DO + "requeue")
def requeue_a_dead_letter(desk: Desk) -> None:
    _requeued(desk, "docqueue_deaditem_change")


def _afresh(desk: Desk, page: str) -> None:
    item = desk.dead()
    Checkpoint.objects.create(item_id=item, name="ocr", result={}, created_at=T0)
    desk.go(page, item)
    desk.why()
    desk.button("Requeue from the first step …")
    desk.shows("forget the steps they have behind them")
    desk.unchanged()
    desk.yes(why="")
    desk.told("1 item requeued.")
    assert live(item).status == Status.PENDING
    assert not Checkpoint.objects.exists()
    desk.audited("requeue", item_id=item)


@scene(ITEM + DO + "requeue_afresh")
def requeue_afresh(desk: Desk) -> None:
    _afresh(desk, "docqueue_queueitem_change")


@scene(DEAD + DO + "requeue_afresh")
def requeue_a_dead_letter_afresh(desk: Desk) -> None:
    _afresh(desk, "docqueue_deaditem_change")


@scene(ITEM + DO + "run_now")
def run_now(desk: Desk) -> None:
    item = desk.waiting()
    desk.go("docqueue_queueitem_change", item)
    desk.why()
    desk.button("Run now")
    desk.told("1 item goes on.")
    assert live(item).status == Status.PENDING
    desk.audited("run_now", item_id=item)


@scene(ITEM + DO + "cancel")
def cancel(desk: Desk) -> None:
    item = desk.pending()
    desk.go("docqueue_queueitem_change", item)
    desk.why()
    desk.button("Cancel …")
    desk.shows("This can not be undone.")
    desk.unchanged()
    desk.yes(why="")
    desk.told("1 item cancelled.")
    assert finished(item) == Status.CANCELLED
    desk.audited("cancel", item_id=item)
    running = desk.service.mark_in_progress(desk.pending())
    desk.go("docqueue_queueitem_change", running.id)
    desk.button("Cancel …")
    desk.yes()
    desk.told("1 running item was asked to stop.")
    assert live(running.id).cancel_requested_at is not None
    desk.audited("cancel", item_id=running.id)


def _discarded(desk: Desk, page: str) -> None:
    item = desk.dead()
    desk.go(page, item)
    desk.why()
    desk.button("Discard …")
    desk.shows("They are given up for good")
    desk.unchanged()
    desk.yes(why="")
    desk.told("1 item discarded.")
    assert finished(item) == Status.CANCELLED
    desk.audited("discard", item_id=item, count=1)


@scene(ITEM + DO + "discard")
def discard(desk: Desk) -> None:
    _discarded(desk, "docqueue_queueitem_change")


@scene(DEAD + DO + "discard")
def discard_a_dead_letter(desk: Desk) -> None:
    _discarded(desk, "docqueue_deaditem_change")


@scene(ITEM + PRIORITY)
def change_priority(desk: Desk) -> None:
    item = desk.pending()
    desk.go("docqueue_queueitem_change", item)
    desk.link("Change priority …")
    desk.shows("priority now")
    desk.page.get_by_label("New priority").fill("42")
    desk.yes()
    desk.told("The priority is 42 now.")
    assert live(item).priority == 42
    desk.audited("priority", item_id=item, filter={"priority": 42})


@scene(DEAD + PRIORITY)
def the_priority_of_a_dead_letter_stays(desk: Desk) -> None:
    _priority_refused(desk, "deaditem", desk.dead(), "dead")


@scene(PAST + PRIORITY)
def the_priority_of_a_finished_item_stays(desk: Desk) -> None:
    _priority_refused(desk, "historyitem", desk.done(), "completed")


def _priority_refused(desk: Desk, model: str, item: int, state: str) -> None:
    desk.go(f"docqueue_{model}_change", item)
    expect(desk.page.get_by_role("link", name="Change priority …")).to_have_count(0)
    desk.go(f"docqueue_{model}_change_priority", item)
    desk.page.get_by_label("New priority").fill("42")
    desk.yes()
    desk.told("Nothing was changed", state)
    desk.unchanged()


def _cloned(desk: Desk, model: str, item: int) -> None:
    desk.go(f"docqueue_{model}_change", item)
    desk.link("Clone with edits …")
    form = desk.page
    expect(form.get_by_label("Payload (JSON)")).to_have_value(json.dumps({"page": 1}, indent=2))
    form.get_by_label("Payload (JSON)").fill("{page: 2}")
    desk.button("Enqueue the new item")
    desk.shows("That is no JSON")
    desk.unchanged()
    form.get_by_label("Payload (JSON)").fill('{"page": 2}')
    form.get_by_label("Priority").fill("5")
    form.get_by_label("Queue").fill("urgent")
    form.get_by_label("Document").fill("d<8>")
    desk.why()
    desk.button("Enqueue the new item")
    new = QueueItem.objects.latest("pk")
    desk.told(f"Item #{new.pk} was enqueued.")
    assert (new.payload, new.priority, new.queue, new.document_id) == ({"page": 2}, 5, "urgent", "d<8>")
    desk.audited("clone", item_id=item, filter={"new": new.pk})


@scene(ITEM + CLONE)
def clone(desk: Desk) -> None:
    _cloned(desk, "queueitem", desk.waiting(payload={"page": 1}))


@scene(DEAD + CLONE)
def clone_a_dead_letter(desk: Desk) -> None:
    _cloned(desk, "deaditem", desk.dead(payload={"page": 1}))


@scene(PAST + CLONE)
def clone_a_finished_item(desk: Desk) -> None:
    _cloned(desk, "historyitem", desk.done(payload={"page": 1}))


# -- from a list -----------------------------------------------------------------------------------------------------


@scene(ITEM + " requeue")
def requeue_those_ticked(desk: Desk) -> None:
    first, second, third = desk.dead(), desk.waiting(), desk.waiting()
    desk.go("docqueue_queueitem_changelist")
    desk.choose("requeue", first, second)
    desk.told("2 items requeued.")
    assert [live(item).status for item in (first, second, third)] == ["pending", "pending", "waiting"]
    assert {desk.audited("requeue", why="").item_id, first} == {first, second}
    assert AuditEntry.objects.count() == 2


@scene(DEAD + " requeue")
def requeue_the_dead_letters_ticked(desk: Desk) -> None:
    item, other = desk.dead(), desk.dead()
    desk.go("docqueue_deaditem_changelist")
    desk.choose("requeue", item)
    desk.told("1 item requeued.")
    assert [live(one).status for one in (item, other)] == ["pending", "dead"]
    desk.audited("requeue", why="", item_id=item)


@scene(ITEM + " cancel")
def cancel_those_ticked(desk: Desk) -> None:
    items, other = [desk.pending(), desk.waiting()], desk.pending()
    desk.go("docqueue_queueitem_changelist")
    desk.choose("cancel", *items)
    desk.shows("They will not run.")
    desk.yes()
    desk.told("2 items cancelled.")
    assert [finished(item) for item in items] == ["cancelled"] * 2
    assert live(other).status == Status.PENDING
    for item in items:
        assert AuditEntry.objects.filter(item_id=item, actor=desk.who, action="cancel", reason=WHY).count() == 1


@scene(DEAD + " discard")
def discard_the_dead_letters_ticked(desk: Desk) -> None:
    item = desk.dead()
    desk.go("docqueue_deaditem_changelist")
    desk.choose("discard", item)
    desk.yes(why="")  # the browser asks for the reason, and sends nothing
    desk.unchanged()
    desk.yes()
    desk.told("1 item discarded.")
    assert finished(item) == Status.CANCELLED
    desk.audited("discard", item_id=item)


# -- on all that a list shows ----------------------------------------------------------------------------------------


def _all_of(desk: Desk, model: str, button: str, action: str, *, number: str = "", query: str = "?queue=a") -> None:
    """See how many would be changed, start it, let a worker do it."""
    desk.go(f"docqueue_{model}_changelist", query=query)
    desk.link(f"{button} …")
    desk.shows("of queue a")
    expect(desk.page.locator("tr", has_text="how many match now").locator("td")).to_have_text("2")
    desk.unchanged()
    if number:
        desk.page.get_by_label("New priority").fill(number)
    desk.yes()
    started = BulkOperation.objects.get()
    desk.told(f"Bulk operation {started.pk} was started", "2 in all")
    assert (started.state, started.total, started.actor, started.reason) == ("running", 2, desk.who, WHY)
    desk.audited(f"bulk_{action}", item_id=None, count=2, filter={"bulk": started.pk, "queue": "a"})
    bulk.run("default")
    started.refresh_from_db()
    assert (started.state, started.done) == ("done", 2)
    desk.audited(f"bulk_{action}_done", count=2, filter={"bulk": started.pk})


@scene(ITEM + BULK + "requeue")
def requeue_all(desk: Desk) -> None:
    items, others = [desk.waiting(queue="a") for _ in "ab"], [desk.waiting(queue="b"), desk.dead(queue="a")]
    _all_of(desk, "queueitem", "Requeue all that match", "requeue", query="?queue=a&status=waiting")
    assert [live(item).status for item in (*items, *others)] == ["pending", "pending", "waiting", "dead"]


@scene(DEAD + BULK + "requeue")
def requeue_all_dead_letters(desk: Desk) -> None:
    items, other = [desk.dead(queue="a") for _ in "ab"], desk.waiting(queue="a")
    _all_of(desk, "deaditem", "Requeue all that match", "requeue")
    assert [live(item).status for item in (*items, other)] == ["pending", "pending", "waiting"]


@scene(ITEM + BULK + "cancel")
def cancel_all(desk: Desk) -> None:
    items, other = [desk.pending(queue="a"), desk.waiting(queue="a")], desk.pending(queue="b")
    _all_of(desk, "queueitem", "Cancel all that match", "cancel")
    assert [finished(item) for item in items] == ["cancelled"] * 2
    assert live(other).status == Status.PENDING


@scene(ITEM + BULK + "priority")
def the_priority_of_all(desk: Desk) -> None:
    items, other = [desk.pending(queue="a"), desk.waiting(queue="a")], desk.pending(queue="b")
    _all_of(desk, "queueitem", "Change the priority of all that match", "priority", number="-7")
    assert [live(item).priority for item in (*items, other)] == [-7, -7, 0]


@scene(DEAD + BULK + "discard")
def discard_all_dead_letters(desk: Desk) -> None:
    items, other = [desk.dead(queue="a") for _ in "ab"], desk.dead(queue="b")
    _all_of(desk, "deaditem", "Discard all that match", "discard")
    assert [finished(item) for item in items] == ["cancelled"] * 2
    assert live(other).status == Status.DEAD


@scene(PAST + BULK + "purge")
def purge_all(desk: Desk) -> None:
    items, other = [desk.done(queue="a") for _ in "ab"], desk.done(queue="b")
    _all_of(desk, "historyitem", "Delete all that match", "purge")
    assert list(HistoryItem.objects.values_list("pk", flat=True)) == [other]
    assert not QueueItem.objects.filter(pk__in=items).exists()
