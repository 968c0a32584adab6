"""Calls become rows: beside the work, in the process that made them, and never in its way."""

from __future__ import annotations

import logging

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from ingestion.diagnostics import recording
from ingestion.km import calls
from ingestion.models import Document, KmCall
from tests.ingestion.diagnostics.making import call
from tests.ingestion.factories import accept, accept_document
from tests.ingestion.running import WorkerProcess

pytestmark = pytest.mark.django_db(transaction=True)


def test_each_call_of_this_process_becomes_a_row():
    told = call(status=503, code="km_unavailable", attempt=2, document_ids=(7, 8), connect_seconds=None)
    calls.record(told)
    [row] = KmCall.objects.all()
    assert (row.method, row.status, row.code, row.attempt, row.document_ids) == (
        "put",
        503,
        "km_unavailable",
        2,
        [7, 8],
    )
    assert (row.started_at, row.connect_seconds, row.send_seconds) == (told.started_at, None, 0.1)
    assert row.bytes_per_second == told.bytes_per_second == 10_000


def test_a_row_costs_one_statement_that_does_not_wait_for_the_disk():
    with CaptureQueriesContext(connection) as said:
        calls.record(call())
    [statement] = said.captured_queries
    assert "synchronous_commit" in statement["sql"]
    with connection.cursor() as cursor:
        assert cursor.execute("show synchronous_commit").fetchone() == ("on",)


def test_a_call_in_a_transaction_is_kept_once_that_has_committed():
    with transaction.atomic():
        calls.record(call())
        assert not KmCall.objects.exists()
    assert KmCall.objects.count() == 1


def test_a_row_that_can_not_be_written_breaks_nothing_and_is_logged(caplog):
    with connection.cursor() as cursor:
        cursor.execute("alter table ingestion_kmcall add constraint broken check (total_seconds < 0) not valid")
    try:
        with caplog.at_level(logging.WARNING, logger="ingestion.diagnostics.recording"):
            calls.record(call())
            with transaction.atomic():
                calls.record(call())
    finally:
        with connection.cursor() as cursor:
            cursor.execute("alter table ingestion_kmcall drop constraint broken")
    assert not KmCall.objects.exists()
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert "could not be kept" in caplog.text


def test_while_muted_nothing_is_kept():
    with recording.muted():
        calls.record(call())
    assert not KmCall.objects.exists()
    calls.record(call())
    assert KmCall.objects.count() == 1


def test_a_store_that_speaks_to_nobody_leaves_no_rows(owner, worker):
    accept_document(owner)
    worker.run()
    assert not KmCall.objects.exists()


def test_the_calls_of_a_real_client_are_kept_with_their_documents(owner, worker, http_km):
    document = accept_document(owner, "The heron waits.")
    worker.run()
    rows = list(KmCall.objects.order_by("id"))
    assert {"exists", "put"} <= {row.method for row in rows}
    [put] = [row for row in rows if row.method == "put"]
    assert (put.document_ids, put.bytes_sent, put.code) == ([document.pk], 16, "")
    assert 0 < put.send_seconds <= put.total_seconds
    assert put.first_byte_seconds <= put.total_seconds


def test_the_calls_of_a_worker_process_are_kept(owner, http_km, project_env, root, settings):
    for _ in range(3):
        accept(owner)
    names = ("KM", "KM_URL", "KM_TOKEN")
    env = project_env | {f"INGESTION_{name}": str(settings.INGESTION[name]) for name in names}
    location = settings.STORAGES["documents"]["OPTIONS"]["location"]
    env |= {"VAR_DIR": str(location.parent)}
    with WorkerProcess(root, env) as running:
        running.until(lambda: KmCall.objects.filter(method="put", code="").exists(), 60)
    assert Document.objects.filter(km_ref__startswith="http:").exists()
