"""Intakes, files, documents, search and limits over HTTP: the caller's own, in the shapes that the schema promises."""

from __future__ import annotations

import base64
import json

import pytest
from rest_framework.test import APIClient

from ingestion.api.serializers import DocumentShape, FileShape, HitShape, IntakeShape
from ingestion.limits import Limits
from ingestion.models import Document, IngestFile, Intake
from tests.ingestion.factories import UserFactory, accept, accept_document, accept_zip, upload
from tests.ingestion.running import finish_dead

pytestmark = pytest.mark.django_db(transaction=True)
API = "/api/v1"


@pytest.fixture
def client(owner):
    api = APIClient()
    api.force_authenticate(owner)
    return api


def test_an_intake_is_followed_to_its_end(client, owner, worker):
    intake = accept_zip(owner, {"a.txt": "alpha", "b.exe": b"MZ" + b"\0" * 200, ".DS_Store": b"\0"})
    before = client.get(f"{API}/intakes/{intake.pk}").json()
    assert (before["finished"], before["percent"], before["files_total"]) == (False, 0, 3)
    worker.run()
    after = client.get(f"{API}/intakes/{intake.pk}").json()
    assert (after["finished"], after["percent"], after["status"]) == (True, 100, "completed_with_errors")
    assert (after["files_completed"], after["files_failed"], after["files_skipped"]) == (1, 1, 1)
    assert after["state"] == "Completed with errors: 1 of 3 files failed"
    assert after["finished_at"] is not None


def test_the_files_of_an_intake_come_in_order_with_their_reasons(client, owner, worker):
    intake = accept_zip(owner, {"a.txt": "alpha", "b.exe": b"MZ" + b"\0" * 200})
    worker.run()
    good, bad = client.get(f"{API}/intakes/{intake.pk}/files").json()["results"]
    assert (good["source_path"], good["outcome"], good["error_code"]) == ("a.txt", "completed", None)
    assert (bad["state"], bad["error_code"]) == ("Failed: unsupported type", "unsupported_type")
    assert bad["hint"]
    assert good["seconds"] >= 0


def test_files_are_paged_by_key_and_filtered(client, owner, worker):
    intake = accept(owner, *[upload(f"{n}.txt", f"text {n}") for n in range(5)], upload("x.exe", b"MZ" + b"\0" * 200))
    worker.run()
    page = client.get(f"{API}/intakes/{intake.pk}/files?limit=4").json()
    rest = client.get(page["next"]).json()
    assert [row["ordinal"] for row in page["results"] + rest["results"]] == [0, 1, 2, 3, 4, 5]
    assert rest["next"] is None
    failed = client.get(f"{API}/intakes/{intake.pk}/files?outcome=failed").json()["results"]
    assert [row["source_path"] for row in failed] == ["x.exe"]


def test_a_dead_item_shows_as_failed_as_soon_as_somebody_looks(client, owner, monkeypatch):
    monkeypatch.setattr("docqueue.handlers._dead_hooks", {})
    document = accept_document(owner)
    finish_dead(document.file.item_id, "timed_out", "300 s")
    body = client.get(f"{API}/documents/{document.pk}").json()
    assert (body["outcome"], body["state"]) == ("failed", "Failed: timed out")


def test_a_document_tells_what_is_known_of_it(client, owner, worker):
    document = accept_document(owner, "# Herons\n\nThey wait.", "herons.md", tags=["birds"])
    worker.run()
    body = client.get(f"{API}/documents/{document.pk}").json()
    assert (body["state"], body["searchable"], body["text_status"]) == ("Completed", True, "ok")
    assert (body["content_type"], body["tags"]) == ("text/markdown", ["birds"])
    listed = client.get(f"{API}/documents?tag=birds").json()["results"]
    assert [row["id"] for row in listed] == [document.pk]
    assert client.get(f"{API}/documents?tag=fish").json()["results"] == []


def test_a_document_is_reprocessed_by_a_new_item(client, owner, worker):
    document = accept_document(owner)
    worker.run()
    answer = client.post(f"{API}/documents/{document.pk}/reprocess")
    assert answer.status_code == 202
    body = client.get(answer["Location"]).json()
    assert (body["state"], body["item_id"], body["searchable"]) == (
        "Waiting for a worker",
        answer.json()["item_id"],
        True,
    )


def test_an_intake_and_a_document_are_cancelled(client, owner):
    intake = accept(owner, upload("a.txt", "a"), upload("b.txt", "b"))
    first = intake.files.first().document_id
    body = client.post(f"{API}/documents/{first}/cancel")
    assert (body.status_code, body.json()["state"]) == (202, "Cancelled")
    body = client.post(f"{API}/intakes/{intake.pk}/cancel")
    assert (body.status_code, body.json()["state"]) == (202, "Cancelled")
    again = client.post(f"{API}/intakes/{intake.pk}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "already_finished")


def test_search_answers_hits_and_a_cursor(client, owner, worker):
    for n in range(3):
        accept_document(owner, f"heron number {n}")
    worker.run()
    page = client.get(f"{API}/search", {"q": "heron", "limit": 2}).json()
    assert len(page["results"]) == 2
    rest = client.get(f"{API}/search", {"q": "heron", "limit": 2, "cursor": page["next_cursor"]}).json()
    assert (len(rest["results"]), rest["next_cursor"]) == (1, None)


@pytest.mark.parametrize("query", [{}, {"q": " "}, {"q": "x", "limit": "0"}, {"q": "x", "cursor": "?"}])
def test_a_search_that_makes_no_sense_is_a_problem(client, query):
    answer = client.get(f"{API}/search", query)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_search")


def test_search_says_whether_all_matches_were_ranked(client, owner, worker, settings):
    settings.INGESTION = {"MAX_RANKED_CHUNKS": 2}
    for n in range(3):
        accept_document(owner, f"heron number {n}")
    worker.run()
    assert client.get(f"{API}/search", {"q": "heron"}).json()["complete"] is False
    assert client.get(f"{API}/search", {"q": "number heron 2"}).json()["complete"] is True


def test_a_document_is_deleted_for_good(client, owner, worker):
    document = accept_document(owner, "a heron")
    worker.run()
    path = f"{API}/documents/{document.pk}"
    assert client.delete(path).status_code == 204
    assert (client.get(path).status_code, client.delete(path).status_code) == (404, 404)
    assert client.get(f"{API}/search", {"q": "heron"}).json()["results"] == []
    assert client.get(f"{API}/documents").json()["results"] == []
    (file,) = client.get(f"{API}/intakes/{Intake.objects.get().pk}/files").json()["results"]
    assert (file["state"], file["document_id"]) == ("Deleted", None)
    assert file["message"] == "its document was deleted"


def test_an_intake_is_deleted_for_good(client, owner, worker):
    intake = accept(owner, upload("a.txt", "a heron"), upload("b.txt", "an egret"))
    worker.run()
    path = f"{API}/intakes/{intake.pk}"
    assert client.delete(path).status_code == 204
    assert (client.get(path).status_code, client.get(f"{path}/files").status_code) == (404, 404)
    assert client.get(f"{API}/intakes").json()["results"] == []
    assert Document.objects.count() == 0


def test_an_intake_whose_deletion_has_begun_is_hidden_with_its_documents(client, owner, worker, monkeypatch):
    intake = accept(owner, upload("a.txt", "a heron"), upload("b.txt", "a second heron"))
    worker.run()
    pk = intake.files.last().document_id
    monkeypatch.setattr("ingestion.deleting.BUDGET_SECONDS", -1)
    assert client.delete(f"{API}/intakes/{intake.pk}").status_code == 204
    assert Document.objects.filter(pk=pk).exists()
    for path in (f"intakes/{intake.pk}", f"intakes/{intake.pk}/files", f"documents/{pk}"):
        assert client.get(f"{API}/{path}").status_code == 404
    for path in ("intakes", "documents", "search?q=heron"):
        assert client.get(f"{API}/{path}").json()["results"] == []


@pytest.mark.parametrize("path", ["documents/{d}", "intakes/{i}"])
def test_other_users_things_can_not_be_deleted(client, path):
    document = accept_document(UserFactory())
    answer = client.delete(f"{API}/{path.format(d=document.pk, i=document.file.intake_id)}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert Document.objects.filter(pk=document.pk).exists()


def test_the_limits_are_published_with_their_meaning(client):
    body = client.get(f"{API}/limits").json()
    assert body["max_entries"]["value"] == Limits().max_entries
    assert all(limit["description"] for limit in body.values())
    assert not {"formats", "ocr"} & set(body), "how this server is set up is nobody's business"


@pytest.mark.parametrize("path", ["documents/{d}", "intakes/{i}", "intakes/{i}/files"])
def test_other_users_things_do_not_exist(client, worker, path):
    other = UserFactory()
    document = accept_document(other, "their heron")
    worker.run()
    answer = client.get(f"{API}/{path.format(d=document.pk, i=document.file.intake_id)}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert client.get(f"{API}/search", {"q": "heron"}).json()["results"] == []
    assert client.get(f"{API}/documents").json()["results"] == []
    assert client.get(f"{API}/intakes").json()["results"] == []


@pytest.mark.parametrize("path", ["documents/{d}/reprocess", "documents/{d}/cancel", "intakes/{i}/cancel"])
def test_other_users_things_can_not_be_acted_on(client, worker, path):
    document = accept_document(UserFactory())
    answer = client.post(f"{API}/{path.format(d=document.pk, i=document.file.intake_id)}")
    assert answer.status_code == 404
    assert worker.run() == 1


@pytest.mark.parametrize("pk", [0, 99999999, 2**63 - 1, 2**63, 10**40])
def test_unknown_ids_are_not_found(client, pk):
    for path in (f"documents/{pk}", f"intakes/{pk}", f"intakes/{pk}/files"):
        assert client.get(f"{API}/{path}").status_code == 404


@pytest.mark.parametrize(
    "path", ["documents", "documents/1", "intakes", "intakes/1", "intakes/1/files", "search?q=x", "limits", "types"]
)
def test_strangers_are_refused_everywhere(transactional_db, path):
    answer = APIClient().get(f"{API}/{path}")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


def test_answers_have_exactly_the_fields_of_the_schema(client, owner, worker):
    document = accept_document(owner, "a heron")
    worker.run()
    intake, file = Intake.objects.get(), IngestFile.objects.get()
    found = {
        IntakeShape: client.get(f"{API}/intakes/{intake.pk}").json(),
        FileShape: client.get(f"{API}/intakes/{intake.pk}/files").json()["results"][0],
        DocumentShape: client.get(f"{API}/documents/{document.pk}").json(),
        HitShape: client.get(f"{API}/search", {"q": "heron"}).json()["results"][0],
    }
    for shape, body in found.items():
        assert set(body) == set(shape().fields), shape.__name__
    assert file.document_id == document.pk


def test_a_page_of_documents_costs_the_same_whatever_its_length(client, owner, django_assert_num_queries):
    accept(owner, *[upload(f"{n}.txt", f"text {n}") for n in range(3)])
    with django_assert_num_queries(4):  # rows, items, and why pending ones wait: queues that are paused, and workers
        client.get(f"{API}/documents")
    accept(owner, *[upload(f"m{n}.txt", f"more text {n}") for n in range(20)])
    with django_assert_num_queries(4):
        assert len(client.get(f"{API}/documents").json()["results"]) == 23


def test_the_schema_describes_the_api_with_examples(client):
    schema = json.loads(client.get("/api/schema/?format=json").content)
    operations = {
        operation["operationId"]
        for path in schema["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict) and "operationId" in operation
    }
    assert {
        "upload_document",
        "list_documents",
        "get_document",
        "reprocess_document",
        "cancel_document",
        "delete_document",
        "delete_intake",
        "list_intakes",
        "get_intake",
        "list_intake_files",
        "cancel_intake",
        "search_documents",
        "get_limits",
        "get_types",
    } <= operations
    listed = schema["paths"][f"{API}/documents"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    page = schema["components"]["schemas"][listed["$ref"].rpartition("/")[2]]
    assert set(page["properties"]) == {"next", "previous", "results"}
    post = schema["paths"][f"{API}/documents"]["post"]
    assert post["responses"]["202"]["content"]["application/json"]["examples"]
    assert "multipart/form-data" in post["requestBody"]["content"]


def test_a_deleted_winner_leaves_its_duplicates_readable(client, owner, worker):
    first = accept_document(owner, "a heron")
    second = accept_document(owner, "a heron")
    worker.run()
    Document.objects.get(pk=first.pk).delete()
    body = client.get(f"{API}/documents/{second.pk}").json()
    assert (body["outcome"], body["duplicate_of"]) == ("duplicate", None)


def test_a_tag_that_few_have_is_looked_for_among_so_many_documents_a_page_and_the_next_goes_on(
    client, owner, monkeypatch
):
    monkeypatch.setattr("ingestion.api.base.LOOKED_AT", 3)
    made = [accept_document(owner, f"text {n}", f"{n}.txt", tags=["rare"] if n in (0, 4) else []) for n in range(8)]
    accept_document(UserFactory(), "of another", "x.txt", tags=["rare"])

    def walk(address: str | None, way: str) -> list[list[int]]:
        pages = []
        while address is not None:
            page = client.get(address).json()
            pages.append([row["id"] for row in page["results"]])
            last.append(page)
            address = page[way]
        return pages

    last: list[dict] = []
    rare, there = [made[4].pk, made[0].pk], f"{API}/documents?tag=rare"
    assert walk(there, "next") == [[], [rare[0]], [rare[1]]]
    assert walk(last[-1]["previous"], "previous") == [[], [rare[0]], []]
    assert walk(last[-1]["next"], "next") == [[rare[0]], [], [rare[1]]]
    assert walk(f"{there}&limit=1", "next") == [[], [rare[0]], [rare[1]]]
    assert walk(f"{API}/documents?tag=none", "next") == [[], [], []]
    assert walk(last[-1]["previous"], "previous") == [[], [], []]
    monkeypatch.setattr("ingestion.api.base.LOOKED_AT", 8)
    assert walk(f"{there}&limit=1", "next") == [[rare[0]], [rare[1]]]


@pytest.mark.parametrize("address", ["documents", "documents?tag=rare", "intakes"])
@pytest.mark.parametrize("given", ["p=abc", "r=1&p=abc", "p=99999999999999999999999", "p=%00", "p=-1", "p="])
def test_a_cursor_that_no_page_has_given_is_refused(client, owner, address, given):
    accept_document(owner, "text")
    cursor = base64.b64encode(given.encode()).decode()
    answer = client.get(f"{API}/{address}", {"cursor": cursor} | ({"tag": "rare"} if "tag" in address else {}))
    assert answer.status_code == 400, answer.content
