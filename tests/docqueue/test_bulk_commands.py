"""queue_bulk, queue_pause and queue_resume, as an operator types them."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from docqueue.models import AuditEntry, BulkOperation, Queue
from docqueue.service import DocumentQueueService
from docqueue.states import Status
from tests.docqueue.helpers import OPERATION, in_state

pytestmark = pytest.mark.django_db(transaction=True)


def said(*command: str, **options: Any) -> str:
    out = StringIO()
    call_command(*command, stdout=out, **options)
    return out.getvalue()


def test_it_starts_an_operation_and_leaves_it_to_the_workers(service: DocumentQueueService) -> None:
    item, _ = in_state(service, Status.DEAD)
    text = said(
        "queue_bulk", "requeue", "--status", "dead", "--operation", OPERATION, "--reason", "fixed", "--by", "ada"
    )
    found = BulkOperation.objects.get()
    assert text == f"bulk operation {found.pk} (requeue) is running: 0 of 1 done (0 %)\n"
    assert (found.filter, found.actor, found.reason) == ({"status": ["dead"], "operation": OPERATION}, "ada", "fixed")
    assert service.get_status(item) is Status.DEAD
    assert said("queue_bulk", "show", str(found.pk)) == text
    assert "is aborted: 0 of 1 done (0 %)" in said("queue_bulk", "abort", str(found.pk), "--reason", "no")


def test_with_wait_it_helps_until_it_is_done(service: DocumentQueueService) -> None:
    ids = [service.enqueue(None, OPERATION, queue="old").id for _ in range(3)]
    lines = said("queue_bulk", "cancel", "--queue", "old", "--wait").splitlines()
    assert "is running: 0 of 3 done (0 %)" in lines[0]
    assert "is done: 3 of 3 done (100 %)" in lines[-1]
    assert {service.get_status(i) for i in ids} == {Status.CANCELLED}


def test_every_option_reaches_the_filter(service: DocumentQueueService) -> None:
    said(
        "queue_bulk", "priority", "--priority", "-5", "--status", "pending", "--status", "waiting", "--queue", "q",
        "--document-id", "7", "--error-code", "e", "--fingerprint", "f", "--enqueued-before", "2026-01-01T00:00+00:00",
    )  # fmt: skip
    found = BulkOperation.objects.get()
    assert found.options == {"priority": -5}
    assert found.filter == {
        "status": ["pending", "waiting"],
        "queue": "q",
        "document_id": "7",
        "error_code": "e",
        "fingerprint": "f",
        "enqueued_before": "2026-01-01T00:00:00+00:00",
    }


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["requeue"], "everything"),
        (["discard", "--status", "pending"], "not 'pending'"),
        (["show"], "needs the id"),
        (["show", "4711"], "no bulk operation 4711"),
        (["abort", "4711"], "no bulk operation 4711"),
        (["requeue", "7", "--status", "dead"], "takes a filter, no id"),
        (["cancel", "--enqueued-before", "2026-01-01", "--queue", "q"], "time zone"),
    ],
)
def test_what_can_not_be_done_is_said(arguments: list[str], why: str) -> None:
    with pytest.raises(CommandError, match=re.escape(why)):
        said("queue_bulk", *arguments)
    assert not BulkOperation.objects.exists()


def test_a_queue_is_paused_and_goes_on(service: DocumentQueueService) -> None:
    item = service.enqueue(None, OPERATION)
    assert said("queue_pause", "default", "--reason", "the archive moves").startswith("queue default is paused since ")
    assert service.explain(item) == "Waiting: queue default is paused (the archive moves)."
    assert said("queue_resume", "default", "--by", "ada") == "queue default goes on\n"
    assert said("queue_resume", "default") == "queue default was not paused\n"
    assert AuditEntry.objects.order_by("-id")[0].actor == "ada"
    for verb in ("queue_pause", "queue_resume"):
        with pytest.raises(CommandError, match="queue must be"):
            said(verb, "a" * 65)
    assert Queue.objects.count() == 1
