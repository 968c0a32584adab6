"""Causes, queues, workers, batches, schedules and bulk operations: what a person does to each."""

from __future__ import annotations

from playwright.sync_api import expect

from docqueue.maintenance import bulk, failures
from docqueue.models import Batch as BatchRow
from docqueue.models import BulkOperation, FailureGroup, HistoryItem, Queue, QueueItem, Schedule, Worker
from docqueue.states import Status
from tests.desk.scenes import WHY, Desk, scene
from tests.docqueue.helpers import OPERATION, worker

CAUSE = "docqueue/failuregroup/<str:fingerprint>/do/<str:verb>/ "
ASK = "docqueue/worker/<int:worker_id>/ask/<str:verb>/ "
SCHEDULE = "docqueue/schedule/"
VERB = SCHEDULE + "<int:pk>/do/<str:verb>/ "

# -- causes ----------------------------------------------------------------------------------------------------------


def cause(desk: Desk, number: int = 2) -> str:
    """So many items that are dead of the same, counted; the page of the cause is open."""
    for _ in range(number):
        desk.dead()
    failures.run("default")
    found = FailureGroup.objects.get()
    desk.go("docqueue_failuregroup_changelist")
    desk.link("page 3 is torn torn")
    return found.pk


def _started(desk: Desk, fingerprint: str, action: str, total: int) -> BulkOperation:
    started = BulkOperation.objects.get()
    desk.told(f"Bulk operation {started.pk} was started")
    assert (started.action, started.state, started.actor, started.total) == (action, "running", desk.who, total)
    about = {"bulk": started.pk, "fingerprint": fingerprint}
    desk.audited(f"bulk_{action}", item_id=None, count=total, filter=about)
    bulk.run("default")
    started.refresh_from_db()
    return started


@scene(CAUSE + "requeue")
def requeue_a_cause(desk: Desk) -> None:
    found = cause(desk)
    desk.link("Requeue all …")
    expect(desk.page.locator("tr", has_text="dead items").locator("td")).to_have_text("2")
    desk.unchanged()
    desk.yes()
    assert _started(desk, found, "requeue", 2).state == "done"
    assert set(QueueItem.objects.values_list("status", flat=True)) == {Status.PENDING}


@scene(CAUSE + "canary")
def requeue_ten_first(desk: Desk) -> None:
    found = cause(desk, 12)
    desk.link("Requeue 10 first …")
    desk.shows("The rest follows by itself once these are completed")
    desk.yes()
    assert _started(desk, found, "requeue", 12).state == "running"
    assert QueueItem.objects.filter(status=Status.PENDING).count() == 10
    assert QueueItem.objects.filter(status=Status.DEAD).count() == 2


@scene(CAUSE + "discard")
def discard_a_cause(desk: Desk) -> None:
    found = cause(desk)
    desk.link("Discard all …")
    desk.yes(why="")  # the browser asks for the reason, and sends nothing
    desk.unchanged()
    desk.yes()
    assert _started(desk, found, "discard", 2).state == "done"
    assert set(HistoryItem.objects.values_list("status", flat=True)) == {Status.CANCELLED}


@scene(CAUSE + "acknowledge", CAUSE + "unacknowledge")
def acknowledge_a_cause_and_take_it_back(desk: Desk) -> None:
    found = cause(desk)
    desk.link("Acknowledge …")
    desk.yes()
    desk.told("Acknowledged.")
    row = FailureGroup.objects.get()
    assert (row.acknowledged_by, row.note) == (desk.who, WHY)
    desk.audited("acknowledge_failure", count=2, filter={"fingerprint": found})
    desk.shows(WHY)
    desk.link("Take the acknowledgement back …")
    desk.yes("it was another one")
    desk.told("The acknowledgement is taken back.")
    row.refresh_from_db()
    assert (row.acknowledged_at, row.acknowledged_by, row.note) == (None, "", "")
    desk.audited("unacknowledge_failure", why="it was another one", filter={"fingerprint": found})


# -- queues and workers ----------------------------------------------------------------------------------------------


@scene("docqueue/queue/pause/", "docqueue/queue/resume/")
def pause_a_queue_and_resume_it(desk: Desk) -> None:
    desk.pending(queue="post")
    desk.go("docqueue_queue_changelist")
    desk.link("post")
    desk.link("Pause …")
    desk.shows("Nothing of it starts any more")
    desk.yes()
    desk.told("Queue post is paused.")
    row = Queue.objects.get(name="post")
    assert row.paused_at is not None
    assert (row.paused_by, row.paused_reason) == (desk.who, WHY)
    desk.audited("pause_queue", filter={"queue": "post"})
    assert desk.service.claim(1) == []
    desk.shows(WHY)
    desk.link("Resume …")
    desk.yes("it has moved")
    desk.told("Queue post goes on.")
    row.refresh_from_db()
    assert row.paused_at is None
    desk.audited("resume_queue", why="it has moved", filter={"queue": "post"})
    assert len(desk.service.claim(1)) == 1


@scene(ASK + "quiet_worker", ASK + "unquiet_worker", ASK + "stop_worker")
def quiet_a_worker_have_it_go_on_and_stop_it(desk: Desk) -> None:
    row = worker(None)
    desk.go("docqueue_worker_change", row)
    for button, action, asked, words in (
        ("Quiet …", "quiet_worker", "quiet", "The worker claims nothing new"),
        ("Go on …", "unquiet_worker", None, "The worker goes on"),
        ("Stop …", "stop_worker", "stop", "The worker was asked to stop."),
    ):
        desk.link(button)
        desk.yes()
        desk.told(words)
        found = Worker.objects.get(pk=row)
        assert (found.asked, found.asked_by) == (asked, desk.who if asked else "")
        desk.audited(action, filter={"worker": row})
    expect(desk.page.get_by_role("link", name="Quiet …")).to_have_count(0)


# -- batches and bulk operations -------------------------------------------------------------------------------------


@scene("docqueue/batch/<int:pk>/seal/")
def seal_a_batch(desk: Desk) -> None:
    batch = desk.service.batch("pages")
    batch.enqueue(None, OPERATION)
    desk.go("docqueue_batch_change", batch.id)
    desk.link("Seal …")
    desk.shows("It takes no more items")
    desk.yes()
    desk.told(f"Batch #{batch.id} is sealed.")
    assert BatchRow.objects.get().sealed_at is not None
    desk.audited("seal_batch", filter={"batch": batch.id})


def _aborted(desk: Desk, started: BulkOperation, why: str) -> None:
    desk.told(f"Bulk operation {started.pk} was aborted; 0 items were changed before.")
    started.refresh_from_db()
    assert started.state == "aborted"
    desk.audited("bulk_cancel_aborted", why=why, count=0, filter={"bulk": started.pk})
    bulk.run("default")
    assert QueueItem.objects.get().status == Status.PENDING


@scene("docqueue/bulkoperation/<int:bulk_id>/abort/")
def abort_a_bulk_operation(desk: Desk) -> None:
    desk.pending(queue="a")
    started = desk.service.bulk("cancel", queue="a", by="ada", reason="all of it")
    desk.go("docqueue_bulkoperation_change", started.pk)
    desk.link("Abort …")
    desk.shows("What was done stays done.")
    desk.yes()
    _aborted(desk, started, WHY)


@scene("docqueue/bulkoperation/ abort")
def abort_those_ticked(desk: Desk) -> None:
    desk.pending(queue="a")
    started = desk.service.bulk("cancel", queue="a", by="ada", reason="all of it")
    desk.go("docqueue_bulkoperation_changelist")
    desk.choose("abort", started.pk)
    expect(desk.page.locator("#content form[method=post] input[type=submit]")).to_have_value(
        "Yes, Abort (1 bulk operation)"
    )
    assert BulkOperation.objects.get().state == "running"
    desk.yes()
    _aborted(desk, started, WHY)


# -- schedules -------------------------------------------------------------------------------------------------------


@scene(SCHEDULE + "add/", SCHEDULE + "<path:object_id>/change/", SCHEDULE + "<path:object_id>/delete/")
def make_a_schedule_change_it_and_delete_it(desk: Desk) -> None:
    desk.go("docqueue_schedule_changelist")
    desk.page.get_by_role("link", name="Add schedule").click()
    form = desk.page
    form.get_by_label("Name").fill("nightly")
    form.get_by_label("Operation").select_option(OPERATION)
    form.get_by_label("Cron").fill("61 * * * *")
    form.locator("input[name=_save]").click()
    desk.shows("minute")
    desk.unchanged()
    form.get_by_label("Cron").fill("30 2 * * *")
    form.get_by_label("Options").fill('{"priority": 5}')
    form.locator("input[name=_continue]").click()
    desk.told("was added successfully")
    row = Schedule.objects.get()
    assert (row.name, row.operation, row.cron, row.options) == ("nightly", OPERATION, "30 2 * * *", {"priority": 5})
    desk.audited("add_schedule", why="", filter={"schedule": "nightly"})
    form.get_by_label("Cron").fill("45 3 * * *")
    form.locator("input[name=_continue]").click()
    desk.told("was changed successfully")
    row.refresh_from_db()
    assert row.cron == "45 3 * * *"
    desk.audited("add_schedule", why="", filter={"schedule": "nightly"})
    form.get_by_role("link", name="Delete", exact=True).click()
    form.get_by_role("button", name="Yes, I’m sure").click()
    desk.told("was deleted successfully")
    assert not Schedule.objects.exists()
    desk.audited("remove_schedule", why="", filter={"schedule": "nightly"})


@scene(VERB + "run_now", VERB + "pause_schedule", VERB + "resume_schedule")
def run_pause_and_resume_a_schedule(desk: Desk) -> None:
    row = desk.service.add_schedule("hourly", OPERATION, seconds=3600)
    desk.go("docqueue_schedule_change", row.pk)
    for button, action, words in (
        ("Run now", "run_now", "1 item enqueued."),
        ("Pause", "pause_schedule", "1 schedule paused."),
        ("Resume", "resume_schedule", "1 schedule resumed."),
    ):
        desk.why()
        desk.button(button)
        desk.told(words)
        row = Schedule.objects.get()
        assert (row.paused_at is not None, row.paused_reason) == (
            (True, WHY) if action == "pause_schedule" else (False, "")
        )
        desk.audited(action, filter={"schedule": "hourly"})
    assert QueueItem.objects.get().operation == OPERATION


@scene(SCHEDULE + " run_chosen", SCHEDULE + " pause_chosen", SCHEDULE + " resume_chosen")
def run_pause_and_resume_those_ticked(desk: Desk) -> None:
    row, other = (desk.service.add_schedule(name, OPERATION, seconds=3600) for name in ("hourly", "other"))
    for chosen, action, words in (
        ("run_chosen", "run_now", "1 item enqueued."),
        ("pause_chosen", "pause_schedule", "1 schedule paused."),
        ("resume_chosen", "resume_schedule", "1 schedule resumed."),
    ):
        desk.go("docqueue_schedule_changelist")
        desk.choose(chosen, row.pk)
        desk.told(words)
        row.refresh_from_db()
        assert (row.paused_at is not None) == (action == "pause_schedule")
        desk.audited(action, why="", filter={"schedule": "hourly"})
        other.refresh_from_db()
        assert other.paused_at is None
    assert QueueItem.objects.count() == 1
