"""What a page is about: one thing of each kind, in the state in which the verb of the address can be done to it."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from django.contrib.admin.utils import quote as admin_quote
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from docqueue import claiming
from docqueue.admin.failures import CANARIES
from docqueue.maintenance import failures
from docqueue.models import Attempt, AuditEntry, Checkpoint, FailureGroup, Limit, Schedule, Worker
from docqueue.service import DocumentQueueService
from ingestion.models import IngestFile, KmCall, Outcome
from ingestion.resumable.models import UploadSession
from tests.ingestion.factories import UserFactory, accept_document
from tests.pages.addresses import Address

OPERATION = "document.ingest"
QUEUE = "pages"
FORM = {
    "confirmed": "yes",
    "post": "yes",
    "reason": "because",
    "priority": "7",
    "operation": OPERATION,
    "queue": QUEUE,
    "document_id": "",
    "payload": "{}",
    "name": "weekly",
    "cron": "",
    "interval_seconds": "90",
    "time_zone": "UTC",
    "missed": "latest",
    "options": "{}",
}
"""What any of the forms asks for."""


class Scene:
    """Makes what an address is about, and knows how to ask for it. Needs an empty database and `documents_dir`."""

    def __init__(self, address: Address, queue: str = QUEUE) -> None:
        self.address, self.queue = address, queue
        self.service = DocumentQueueService()
        self.model = re.split("[_/]", address.name.removeprefix("ingestion_resumable").lstrip("_/"))[
            0 if address.name.startswith("ingestion_resumable") else 1
        ]
        self.key: Any = getattr(self, f"_{self.model}")()

    # -- what there is -----------------------------------------------------------------------------------------

    def _waiting(self) -> int:
        return self.service.enqueue(None, OPERATION, queue=self.queue, delay_seconds=3600).id

    def _dead(self, **options: Any) -> int:
        claimed = self.service.mark_in_progress(self.service.enqueue(None, OPERATION, queue=self.queue, **options))
        self.service.mark_failed(claimed, "torn", code="broken", traceback="line 1", retryable=False)
        Checkpoint.objects.create(item_id=claimed.id, name="one", result={}, created_at=timezone.now())
        return claimed.id

    def _queueitem(self) -> int:
        waits = self.address.verb in ("run_now", "cancel", "priority") or "priority" in self.address.name
        return self._waiting() if waits else self._dead()

    _deaditem = _queueitem

    def _historyitem(self) -> int:
        if "priority" in self.address.name:
            return self._waiting()
        claimed = self.service.mark_in_progress(self.service.enqueue(None, OPERATION, queue=self.queue))
        self.service.mark_completed(claimed)
        return claimed.id

    def _attempt(self) -> int:
        return Attempt.objects.get(item_id=self._dead()).pk

    def _auditentry(self) -> int:
        self.service.pause_queue(self.queue, by="somebody")
        return AuditEntry.objects.get().pk

    def _batch(self) -> int:
        return self.service.batch("pages").id

    def _bulkoperation(self) -> int:
        self._dead()
        return self.service.bulk("requeue", everything=True).pk

    def _failuregroup(self) -> str:
        for _ in range(CANARIES + 1 if self.address.verb == "canary" else 1):
            self._dead(ordering_key=None)
        failures.run("default", timezone.now())
        key = FailureGroup.objects.get().pk
        if self.address.verb == "unacknowledge":
            self.service.acknowledge_failure(key, by="somebody")
        return key

    def _limit(self) -> str:
        return Limit.objects.create(key=self.queue, rate=1).pk

    def _queue(self) -> str:
        if "pause" not in self.address.name:
            self.service.pause_queue(self.queue, by="somebody")
        else:
            self._waiting()
        return self.queue

    def _overview(self) -> None:
        self._waiting()

    def _schedule(self) -> int:
        self.service.add_schedule("nightly", OPERATION, seconds=60)
        if self.address.verb.startswith("resume"):
            self.service.pause_schedule("nightly")
        return Schedule.objects.get().pk

    def _worker(self) -> int:
        key = claiming.register("default", Worker.Kind.WORKER, lease_seconds=60)
        if self.address.verb == "unquiet_worker":
            self.service.quiet_worker(key)
        return key

    def _kmcall(self) -> int:
        return KmCall.objects.create(started_at=timezone.now(), method="put", total_seconds=1, document_ids=[1]).pk

    def _file(self) -> IngestFile:
        document = accept_document(UserFactory())
        if self.address.verb != "cancel":  # the rest is about what has ended
            for item in self.service.claim(1):
                self.service.mark_completed(item)
            IngestFile.objects.update(outcome=Outcome.FAILED, error_code="broken", finished_at=timezone.now())
        return IngestFile.objects.get(document=document)

    def _intake(self) -> int:
        return self._file().intake_id

    def _ingestfile(self) -> int:
        return self._file().pk

    def _document(self) -> int | None:
        return self._file().document_id

    def _uploadsession(self) -> Any:
        soon = timezone.now() + timedelta(hours=1)
        return UploadSession.objects.create(owner=UserFactory(), length=9, name="big.zip", expires_at=soon).pk

    # -- how to ask --------------------------------------------------------------------------------------------

    @property
    def path(self) -> str:
        """The address."""
        name, verb, kind = self.address
        query = f"?queue={quote(self.queue)}" if name in ("docqueue_queue_pause", "docqueue_queue_resume") else ""
        if name == "docqueue_queue_page":
            query = f"?queue={quote(self.queue)}"
        if "/" in name:
            return f"/admin/{name.partition('<')[0]}{quote(admin_quote(str(self.key)))}/"
        if kind == "action" or name.endswith(("_changelist", "_add", "_live", "_diagnostics", "_reprocess")) or query:
            return reverse(f"admin:{name}") + query
        if name.endswith("_bulk"):
            return reverse(f"admin:{name}", args=[verb])
        key = admin_quote(self.key)
        return reverse(f"admin:{name}", args=[key, verb] if verb else [key])

    @property
    def form(self) -> dict[str, Any]:
        """What is sent with a POST."""
        if self.address.kind == "action":
            return FORM | {"action": self.address.verb, "_selected_action": [str(self.key)], "index": "0"}
        if self.address.name.endswith("_reprocess"):
            selection = {f"{self.model.removeprefix('ingest')}s": [self.key]}
            return {"selection": json.dumps(selection), "priority": "-50", "from_stage": ""}
        return FORM

    @property
    def page(self) -> str:
        """The page that offers it: a list, or the page of the thing."""
        start = f"admin:{self.address.name.partition(self.model)[0]}{self.model}"
        if self.model == "queue":
            return f"{reverse('admin:docqueue_queue_page')}?queue={quote(self.queue)}"
        if self.address.kind == "action" or self.address.name.endswith(("_bulk", "_add", "_reprocess")):
            return reverse(f"{start}_changelist")
        return reverse(f"{start}_change", args=[admin_quote(self.key)])


WRITTEN = ("docqueue", "ingestion")


def everything() -> dict[str, Any]:
    """A mark of each of our tables, and of the admin's log, that changes with any row."""
    names = [
        name
        for name in connection.introspection.table_names()
        if name == "django_admin_log" or (name.startswith(WRITTEN) and not name.startswith("docqueue_history_"))
    ]
    each = " union all ".join(
        f"select '{name}', count(*), md5(string_agg(t::text, '' order by t::text)) from {name} t" for name in names
    )
    with connection.cursor() as cursor:
        cursor.execute(each)
        return {name: (count, mark) for name, count, mark in cursor.fetchall()}
