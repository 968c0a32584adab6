"""What intakes, files and documents tell of their progress over HTTP."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from docqueue.models import QueueItem
from tests.ingestion.factories import accept, accept_document, upload
from tests.ingestion.test_api_polling import API, PATHS, client, get, one, serving

__all__ = ["client", "serving"]
pytestmark = pytest.mark.django_db(transaction=True)


def test_an_intake_tells_what_is_worked_on_and_how_long_it_still_takes(client, owner, worker, serving, monkeypatch):
    intake = accept(owner, *[upload(f"{n}.txt", f"text {n}") for n in range(4)])
    body = get(client, f"intakes/{intake.pk}").json()
    assert (body["message_code"], body["waiting_reason"], body["current_file"]) == ("waiting", "queued", None)
    assert (body["eta_seconds"], body["eta_at"], body["last_progress_at"], body["stalled"]) == (None, None, None, False)
    worker.run_claimed(worker.claim())
    claim = worker.claim()
    QueueItem.objects.filter(pk=claim.id).update(worker_id=serving)
    now = timezone.now() + timedelta(seconds=20)
    monkeypatch.setattr("docqueue.api.polling.timezone.now", lambda: now)
    body = get(client, f"intakes/{intake.pk}").json()
    assert (body["current_file"], body["waiting_reason"]) == ("1.txt", None)
    assert 20 < body["eta_seconds"] < 65
    assert datetime.fromisoformat(body["eta_at"]) == now + timedelta(seconds=body["eta_seconds"])
    worker.run_claimed(claim)
    worker.run()
    body = get(client, f"intakes/{intake.pk}").json()
    assert (body["eta_seconds"], body["eta_at"], body["current_file"]) == (None, None, None)
    assert (body["message"], body["message_code"]) == ("Completed", "completed")
    assert body["last_progress_at"] == body["finished_at"]


def test_stalled_work_is_shown_as_such_everywhere(client, owner, worker, serving, monkeypatch):
    intake, ids = one(owner)
    claim = worker.claim()
    QueueItem.objects.filter(pk=claim.id).update(worker_id=serving)
    now = timezone.now() + timedelta(minutes=2)
    monkeypatch.setattr("docqueue.api.polling.timezone.now", lambda: now)
    for path in PATHS:
        body = get(client, path.format(**ids)).json()
        assert body.get("results", [body])[0]["stalled"] is True, path
    assert intake.pk == ids["i"]


def test_a_failed_file_tells_its_error_in_the_code_of_its_message(client, owner, worker):
    document = accept_document(owner, b"MZ" + b"\0" * 200, "x.exe")
    worker.run()
    body = get(client, f"documents/{document.pk}").json()
    assert (body["message_code"], body["message"]) == ("failed:unsupported_type", "Failed: unsupported type")


def test_an_upload_is_answered_with_a_reason_to_wait(client, owner):
    for files in ([upload("a.txt", "a")], [upload("a.txt", "a"), upload("b.txt", "b")]):
        body = client.post(f"{API}/documents", {"file": files}, format="multipart").json()
        assert (body["waiting_reason"], body["finished"]) == ("queued", False)
