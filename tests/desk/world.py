"""A queue in which everything has happened, with a hostile string wherever a stranger can put one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.admin.utils import quote

from docqueue.conf import overridden
from docqueue.maintenance import batches, failures
from docqueue.models import (
    Attempt,
    AuditEntry,
    Batch,
    BulkOperation,
    Checkpoint,
    FailureGroup,
    FinishedTotal,
    HistoryItem,
    Limit,
    Progress,
    QueueItem,
    Schedule,
    ScheduleTick,
    Worker,
)
from docqueue.service import DocumentQueueService, NewItem
from docqueue.states import Status, WaitReason
from tests.docqueue.helpers import OPERATION, STATES, in_state, worker

EVIL = "<script>alert(1)</script>\"'&"
HOSTILE = f"{EVIL}<img src=x onerror=alert(2)>\u202etxt.exe {{{{7|add:7}}}} " + "wide" * 40
EVIL_QUEUE = EVIL[:64]
CAUSES = (("torn", "page 3 is torn"), ("km_5xx", f"the store said {HOSTILE}"), ("timeout", "it took 90 s"))

Rows = dict[str, list[Any]]


class World:
    """`rows`: by model, the keys of rows worth a look, the richest first. Further ones by name."""

    def __init__(self) -> None:
        self.rows: Rows = {}
        self.service = DocumentQueueService()
        self.now = datetime.now(UTC)
        self.then = self.now - timedelta(hours=1)
        self._items()
        self._groups()
        self._people()
        self._workers()
        failures.run("default")
        self._find()

    def _items(self) -> None:
        self.states = {
            (status, reason): in_state(self.service, status, reason, now=self.then)[0] for status, reason in STATES
        }
        self.dead = [self.died(code, message) for code, message in CAUSES for _ in range(12 if code == "torn" else 2)]
        self.evil = self.dead[12]
        for name in ("read", EVIL):
            Checkpoint.objects.create(item_id=self.evil, name=name, result={"text": HOSTILE}, created_at=self.then)
        self.running = self.states[Status.IN_PROGRESS, None]
        Progress.objects.create(item_id=self.running, percent=40, stage="reading", message=HOSTILE, updated_at=self.now)
        done = self.service.mark_in_progress(self.service.enqueue(HOSTILE[:255], OPERATION, ordering_key=None))
        self.service.mark_completed(done, result={EVIL: HOSTILE, "pages": 12})
        self.done = done.id
        parent = self.service.enqueue(None, OPERATION).id
        self.child = self.service.enqueue(None, OPERATION, after=[parent], if_parent_fails="run").id
        self.service.enqueue(None, OPERATION, queue=EVIL_QUEUE)

    def died(self, code: str, message: str, **options: Any) -> int:
        """An item that has failed for good."""
        given = {"payload": {EVIL: HOSTILE, "token": "hidden"}, "metadata": {"user": EVIL}, "ordering_key": None}
        item = self.service.mark_in_progress(self.service.enqueue(HOSTILE[:255], OPERATION, **given | options))
        self.service.mark_failed(item, message, code=code, traceback=f"Traceback:\n  {HOSTILE}\n" * 5, retryable=False)
        return item.id

    def _groups(self) -> None:
        after = NewItem(operation=OPERATION, payload={"secret": EVIL})
        full = self.service.batch(HOSTILE[:255], on_complete=after, on_failure=after)
        full.add([NewItem(operation=OPERATION, document_id=HOSTILE[:255]) for _ in range(3)])
        done = self.service.batch("done", on_complete=after)
        done.seal()
        batches.run("default")
        self.batch = full.id
        self.service.add_schedule(
            "nightly" + EVIL, OPERATION, cron="30 2 * * 1-5", time_zone="Europe/Berlin", payload={"x": HOSTILE}
        )
        self.service.add_schedule("hourly", OPERATION, seconds=3600)
        self.service.pause_schedule("hourly", by="ada", reason=HOSTILE)
        self.service.run_now("hourly", by="ada", reason=HOSTILE)
        nightly = Schedule.objects.get(name__startswith="nightly")
        ScheduleTick.objects.create(schedule_id=nightly.pk, tick_at=self.then, item_id=self.done)
        Schedule.objects.filter(pk=nightly.pk).update(last_error=HOSTILE[:200], last_error_at=self.then)
        Limit.objects.create(key="smtp", rate=2, burst=4, tokens=1)
        figures = {"failures_to_open": 5, "open_seconds": 30.0, "failures": 5}
        Limit.objects.create(key=f"tenant:{EVIL}/{'wide' * 30}", opened_at=self.then, **figures)
        with overridden(LIMITS={"smtp": {"rate": 2}}):
            rules = {"tenant": EVIL, "limit_key": "smtp", "concurrency_key": EVIL, "concurrency_limit": 4}
            self.ruled = self.service.enqueue(None, OPERATION, unique_key=HOSTILE[:255], **rules).id
        FinishedTotal.objects.create(queue="default", at=self.now, worker_id=1, completed=40, dead=3)

    def _people(self) -> None:
        self.service.pause_queue("held", HOSTILE[:500], EVIL)
        self.service.enqueue(None, OPERATION, queue="held")
        going = self.service.enqueue(None, OPERATION, delay_seconds=3600).id
        self.service.change_priority(going, 7, by=EVIL, reason=HOSTILE)
        self.service.cancel(going, by=EVIL, reason=HOSTILE)
        back = self.died("torn", "page 3 is torn")
        self.service.requeue(back, by="ada", reason=HOSTILE)
        self.clone = self.service.clone(self.evil, by="ada", reason="again, with care").id
        running = self.service.bulk("cancel", queue="held", by=EVIL, reason=HOSTILE)
        ended = self.service.bulk("requeue", queue=EVIL_QUEUE, by="ada", reason="all of it")
        self.service.bulk_abort(ended.pk, by="bea", reason=HOSTILE)
        self.bulk = running.pk

    def _workers(self) -> None:
        self.worker = worker(self.now, lease_seconds=3600)  # it lives for as long as the walk takes
        held = {"pid": 2, "rss_mb": 40, "cpu": 5, "item_id": self.running, "operation": HOSTILE, "stalled": True}
        slots = [held | {"since": self.now.isoformat()}, {"pid": 3, "rss_mb": 31, "database": "read-only"}]
        info = {"slots": slots, "rss_mb": 50, "cpu": 1, "database": "ok", EVIL: HOSTILE}
        Worker.objects.filter(pk=self.worker).update(info=info, name=HOSTILE[:200], asked="quiet", asked_by=EVIL)
        Worker.objects.filter(pk=self.worker).update(asked_at=self.now, queues=["default", EVIL_QUEUE])
        self.lost = worker(self.then)
        Worker.objects.filter(pk=self.lost).update(lost_at=self.now, hostname=HOSTILE[:200])

    def _find(self) -> None:
        newest = {
            "attempt": Attempt.objects.filter(item_id=self.evil),
            "auditentry": AuditEntry.objects.filter(actor=EVIL).order_by("-id"),
            "bulkoperation": BulkOperation.objects.order_by("id"),
            "failuregroup": FailureGroup.objects.order_by("-last_at"),
            "limit": Limit.objects.order_by("-key"),
            "schedule": Schedule.objects.order_by("-name"),
            "batch": Batch.objects.order_by("id"),
        }
        live = [self.evil, self.running, self.child, self.ruled, self.clone]
        waiting = QueueItem.objects.filter(status=Status.WAITING).order_by("wait_reason", "id").distinct("wait_reason")
        assert {item.wait_reason for item in waiting} == {reason.value for reason in WaitReason}
        self.rows = {f"docqueue/{name}/": [quote(row.pk) for row in found[:2]] for name, found in newest.items()}
        self.rows |= {
            "docqueue/queueitem/": [*live, *(item.pk for item in waiting), self.states[Status.PENDING, None]],
            "docqueue/deaditem/": [self.evil, self.dead[0]],
            "docqueue/historyitem/": [
                self.done,
                *HistoryItem.objects.filter(status=Status.CANCELLED).values_list("pk", flat=True)[:2],
            ],
            "docqueue/queue/": ["held"],
            "docqueue/worker/": [self.worker, self.lost],
        }
