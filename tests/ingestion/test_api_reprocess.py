"""Reprocess and retry over HTTP: previews, orders and how far they are, of the caller's own files."""

from __future__ import annotations

import json

import pytest
from rest_framework.test import APIClient

from docqueue.models import QueueItem
from ingestion.api.reprocess_shapes import OrderShape, OrderStartedShape, PreviewShape
from ingestion.errors import CorruptFile
from ingestion.models import Document, Outcome
from tests.ingestion.factories import UserFactory, accept, accept_document, accept_zip, upload

pytestmark = pytest.mark.django_db(transaction=True)
API = "/api/v1"


@pytest.fixture
def client(owner):
    api = APIClient()
    api.force_authenticate(owner)
    return api


@pytest.fixture
def failed(owner, worker, monkeypatch):
    """An upload of three files, of which two have failed with corrupt_file."""
    intake = accept(owner, upload("a.txt", "alpha"), upload("b.txt", "beta"), upload("c.txt", "heron"))
    worker.run_claimed(worker.claim())
    with monkeypatch.context() as patch:
        patch.setattr("ingestion.pipeline.extract", _raise(CorruptFile()))
        worker.run()
    return intake


def test_a_preview_answers_with_counts_and_enqueues_nothing(client, failed):
    before = QueueItem.objects.count()
    answer = client.post(f"{API}/reprocess", {"error_code": "corrupt_file", "preview": True})
    assert answer.status_code == 200
    assert set(answer.json()) == set(PreviewShape().fields)
    assert (answer.json()["total"], answer.json()["by_error_code"]) == (2, {"corrupt_file": 2})
    assert QueueItem.objects.count() == before


def test_a_selection_is_processed_anew_and_followed_to_its_end(client, worker, failed):
    answer = client.post(f"{API}/reprocess", {"error_code": "corrupt_file", "priority": "high"})
    body = answer.json()
    assert (answer.status_code, set(body)) == (202, set(OrderStartedShape().fields))
    assert (body["status"], body["total"], body["counts"]["reprocessable"]) == ("pending", 2, 2)
    assert (body["selection"], body["from_stage"]) == ({"error_code": "corrupt_file"}, None)
    assert answer["Location"] == body["status_url"]
    worker.run()
    after = client.get(body["status_url"]).json()
    assert set(after) == set(OrderShape().fields)
    assert (after["finished"], after["percent"], after["documents"]) == (True, 100, 2)
    assert set(failed.files.values_list("outcome", flat=True)) == {Outcome.COMPLETED}


def test_where_there_is_nothing_to_do_nothing_is_enqueued(client, worker):
    answer = client.post(f"{API}/reprocess", {"error_code": "timed_out"})
    assert (answer.status_code, set(answer.json())) == (202, set(OrderStartedShape().fields))
    assert (answer.json()["item_id"], answer.json()["finished"]) == (None, True)
    assert answer.json()["selection"] == {"error_code": "timed_out"}
    assert not QueueItem.objects.exists()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_selection"),
        ({"outcome": "failed", "colour": "red"}, "invalid_request"),
        ({"document_ids": []}, "invalid_request"),
        ({"document_ids": ["x"]}, "invalid_request"),
        ({"document_ids": [2**63]}, "invalid_selection"),
        ({"intake": 10**30}, "invalid_selection"),
        ({"error_code": "corrupt_file", "outcome": "completed"}, "invalid_selection"),
        ({"outcome": "failed", "from_stage": "completed"}, "invalid_stage"),
        ({"outcome": "failed", "from_stage": "pending"}, "invalid_stage"),
        ({"outcome": "failed", "priority": 101}, "invalid_priority"),
        ({"outcome": "failed", "preview": "maybe"}, "invalid_request"),
        ({"extractor_version_below": 2}, "invalid_selection"),
        ({"error_code": "a\0b"}, "invalid_request"),
        ([], "invalid_selection"),
        (["failed"], "invalid_request"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(client, failed, body, code):
    before = QueueItem.objects.count()
    answer = client.post(f"{API}/reprocess", body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert QueueItem.objects.count() == before


def test_retrying_an_upload_is_about_its_failed_files_with_its_priority(client, owner, worker, failed):
    type(failed).objects.filter(pk=failed.pk).update(priority=7)
    good = failed.files.get(outcome=Outcome.COMPLETED)
    answer = client.post(f"{API}/intakes/{failed.pk}/retry", {"preview": True})
    assert (answer.status_code, answer.json()["total"]) == (200, 2)
    answer = client.post(f"{API}/intakes/{failed.pk}/retry")
    assert (answer.status_code, answer.json()["total"]) == (202, 2)
    assert QueueItem.objects.get(pk=answer.json()["item_id"]).priority == 7
    worker.run()
    assert failed.files.get(pk=good.pk).item_id == good.item_id
    assert set(failed.files.values_list("outcome", flat=True)) == {Outcome.COMPLETED}


def test_reprocessing_an_upload_is_about_all_of_its_files(client, worker, failed):
    before = set(failed.files.values_list("item_id", flat=True))
    answer = client.post(f"{API}/intakes/{failed.pk}/reprocess", {"from_stage": "indexing"})
    assert (answer.json()["total"], answer.json()["from_stage"]) == (3, "indexing")
    worker.run()
    assert not before & set(failed.files.values_list("item_id", flat=True))


def test_a_failed_file_is_retried_and_one_that_has_not_failed_is_not(client, worker, failed):
    bad, good = failed.files.filter(outcome="failed").first(), failed.files.get(outcome="completed")
    answer = client.post(f"{API}/files/{bad.pk}/retry")
    assert (answer.status_code, answer.json()["document_id"], answer.json()["created"]) == (202, bad.document_id, True)
    worker.run()
    assert failed.files.get(pk=bad.pk).outcome == Outcome.COMPLETED
    refused = client.post(f"{API}/files/{good.pk}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_retry")
    assert client.post(f"{API}/files/{good.pk}/reprocess").status_code == 202


def test_a_file_that_failed_while_it_was_unzipped_is_read_again(client, owner, worker, monkeypatch):
    from ingestion import unpack
    from ingestion.errors import CrcMismatch

    with monkeypatch.context() as patch:
        patch.setattr(unpack, "read_entry", _raise(CrcMismatch()))
        intake = accept_zip(owner, {"a.txt": "alpha", "b.txt": "beta"})
        worker.run()
    first = intake.files.first()
    for stage in ("uploading", "indexing"):
        refused = client.post(f"{API}/files/{first.pk}/retry", {"from_stage": stage})
        assert (refused.status_code, refused.json()["code"]) == (409, "not_reprocessable")
    answer = client.post(f"{API}/files/{first.pk}/retry")
    assert (answer.status_code, answer.json()["document_id"]) == (202, None)
    assert answer["Location"].endswith(f"/intakes/{intake.pk}")
    worker.run()
    assert sorted(intake.files.values_list("outcome", flat=True)) == ["completed", "failed"]


def test_a_document_is_reprocessed_from_a_stage_and_from_no_other(client, owner, worker, monkeypatch):
    document = accept_document(owner, "a heron")
    worker.run()
    monkeypatch.setattr("ingestion.km.local.LocalKM.put", _raise(AssertionError("handed over again")))
    answer = client.post(f"{API}/documents/{document.pk}/reprocess", {"from_stage": "indexing"})
    assert answer.status_code == 202
    worker.run()
    assert Document.objects.get(pk=document.pk).file.outcome == Outcome.COMPLETED
    for stage in ("unzipping", "completed"):
        refused = client.post(f"{API}/documents/{document.pk}/reprocess", {"from_stage": stage})
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_stage")
    refused = client.post(f"{API}/documents/{document.pk}/reprocess", {"stage": "indexing"})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "unknown_field")


@pytest.mark.parametrize(
    "path", ["intakes/{i}/retry", "intakes/{i}/reprocess", "files/{f}/retry", "files/{f}/reprocess"]
)
def test_other_users_things_can_not_be_processed_anew(client, worker, path):
    document = accept_document(UserFactory(), b"MZ" + b"\0" * 200, "x.exe")
    worker.run()
    before = QueueItem.objects.count()
    answer = client.post(f"{API}/{path.format(i=document.file.intake_id, f=document.file.pk)}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert QueueItem.objects.count() == before


def test_other_users_ids_select_nothing_and_their_orders_do_not_exist(client, failed, worker):
    other = APIClient()
    other.force_authenticate(UserFactory())
    files = list(failed.files.values_list("pk", flat=True))
    for body in ({"file_ids": files}, {"intake": failed.pk}, {"error_code": "corrupt_file"}, {"outdated": True}):
        assert other.post(f"{API}/reprocess", {**body, "preview": True}).json()["total"] == 0
    started = client.post(f"{API}/reprocess", {"error_code": "corrupt_file"}).json()
    assert other.get(started["status_url"]).status_code == 404
    for pk in (0, failed.files.first().item_id, 2**63, 10**40):
        assert client.get(f"{API}/reprocess/{pk}").status_code == 404


@pytest.mark.parametrize("path", ["reprocess", "intakes/1/retry", "intakes/1/reprocess", "files/1/retry"])
def test_strangers_are_refused(transactional_db, path):
    assert APIClient().post(f"{API}/{path}", {"outcome": "failed"}).status_code == 401
    assert APIClient().get(f"{API}/reprocess/1").status_code == 401


def test_the_schema_describes_it_with_examples(client):
    schema = json.loads(client.get("/api/schema/?format=json").content)
    names = {
        f"{API}/reprocess": "reprocess",
        f"{API}/intakes/{{id}}/retry": "retry_intake",
        f"{API}/intakes/{{id}}/reprocess": "reprocess_intake",
        f"{API}/files/{{id}}/retry": "retry_file",
        f"{API}/files/{{id}}/reprocess": "reprocess_file",
        f"{API}/documents/{{id}}/reprocess": "reprocess_document",
    }
    for path, name in names.items():
        post = schema["paths"][path]["post"]
        assert post["operationId"] == name
        assert post["responses"]["202"]["content"]["application/json"]["examples"]
    post = schema["paths"][f"{API}/reprocess"]["post"]
    assert set(post["requestBody"]["content"]) == {"application/json"}
    assert post["requestBody"]["content"]["application/json"]["examples"]
    assert schema["paths"][f"{API}/reprocess/{{id}}"]["get"]["operationId"] == "get_reprocessing"


def _raise(error):
    def fail(*args, **kwargs):
        raise error

    return fail
