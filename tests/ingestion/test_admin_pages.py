"""What the desk shows, to whom, what it leads to, and what it never asks the database."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from docqueue.admin import related
from docqueue.exceptions import NotAllowed
from docqueue.models import AuditEntry, QueueItem
from docqueue.service import DocumentQueueService
from ingestion import acting
from ingestion.errors import PasswordRequired
from ingestion.intakes import INGEST, UNPACK
from ingestion.models import Chunk, Document, IngestFile, Intake, Outcome
from ingestion.people import entries_about
from tests.ingestion.factories import UserFactory, accept, accept_document, accept_zip, upload

pytestmark = pytest.mark.django_db(transaction=True)
KINDS = ("intake", "ingestfile", "document")
HOSTILE = '<script>alert("1")</script>'


@pytest.fixture
def admin(transactional_db):
    return staff(is_superuser=True)


@pytest.fixture
def done(owner, worker):
    """A document that is completed."""
    document = accept_document(owner, "a heron waits", "herons.txt")
    worker.run()
    document.refresh_from_db()
    return document


def staff(*codenames, **fields):
    user = UserFactory(is_staff=True, **fields)
    found = Permission.objects.filter(codename__in=codenames)
    assert len(found) == len(codenames)
    user.user_permissions.set(found)
    client = Client()
    client.force_login(user)
    return client


def listing(client, kind, **query):
    return client.get(reverse(f"admin:ingestion_{kind}_changelist"), query)


def shown(client, kind, pk):
    return client.get(reverse(f"admin:ingestion_{kind}_change", args=[pk]))


def found(answer):
    return {row.pk for row in answer.context["cl"].result_list}


# -- what is shown


def test_empty_lists_teach_what_fills_them(admin):
    for kind, words in (
        ("intake", "POST /api/v1/documents"),
        ("ingestfile", "Each file of an upload"),
        ("document", "manage.py run_queue_worker"),
    ):
        assert words in listing(admin, kind).content.decode(), kind
    uploads = admin.get(reverse("admin:ingestion_resumable_uploadsession_changelist")).content.decode()
    assert "tus at /api/v1/uploads" in uploads
    assert "Nothing matches" in listing(admin, "intake", q="heron").content.decode()


def test_a_list_says_when_nobody_serves_the_queue(admin, owner):
    accept(owner)
    assert "run manage.py run_queue_worker --queue documents" in listing(admin, "intake").content.decode()


def test_times_are_relative_and_exact_on_hover(admin, done):
    for kind, pk in (("intake", done.file.intake_id), ("document", done.pk)):
        for page in (listing(admin, kind), shown(admin, kind, pk)):
            assert re.search(r'<time datetime="[^"]+" title="\d{4}-\d\d-\d\d [^"]+">\d+ s ago', page.content.decode())


def test_the_page_of_an_intake_has_counts_that_lead_to_files_the_files_and_their_items(admin, owner, worker):
    intake = accept_zip(owner, {"a.txt": "alpha", "x.exe": b"MZ" + b"\0" * 200})
    worker.run()
    text = shown(admin, "intake", intake.pk).content.decode()
    files = reverse("admin:ingestion_ingestfile_changelist")
    assert f"{files}?intake__id__exact={intake.pk}&amp;outcome__exact=failed" in text
    assert len(found(admin.get(f"{files}?intake__id__exact={intake.pk}&outcome__exact=failed"))) == 1
    for file in intake.files.all():
        for there in (("ingestion_ingestfile", file.pk), ("docqueue_queueitem", file.item_id)):
            assert reverse(f"admin:{there[0]}_change", args=[there[1]]) in text
    assert reverse("admin:docqueue_queueitem_change", args=[intake.item_id]) in text
    assert "uploaded" in text


def test_the_files_of_an_old_intake_and_those_with_a_code_are_all_listed_at_once(admin, owner, worker, monkeypatch):
    monkeypatch.setattr("docqueue.listing.WINDOW", 2)
    old = accept(owner, upload("a.txt", "alpha"), upload("x.exe", b"MZ" + b"\0" * 200))
    for n in range(4):
        accept_document(owner, f"text {n}", f"{n}.txt")
    worker.run()
    failed = old.files.get(error_code="unsupported_type").pk
    for narrowed, wanted in (
        ({"intake__id__exact": old.pk}, {file.pk for file in old.files.all()}),
        ({"error_code": "unsupported_type"}, {failed}),
        ({"intake__id__exact": "no number"}, set()),
    ):
        answer = listing(admin, "ingestfile", **narrowed)
        assert found(answer) == wanted
        assert b"Look further back" not in answer.content
    assert f"#{old.pk}" in listing(admin, "ingestfile", intake__id__exact=old.pk).content.decode()
    assert b"Look further back" in listing(admin, "ingestfile", outcome__exact="failed").content


def test_of_an_intake_with_many_files_the_page_has_the_first(admin, owner, monkeypatch):
    monkeypatch.setattr("ingestion.admin.intakes.FILES_SHOWN", 2)
    intake = accept(owner, *[upload(f"{n}.txt", str(n)) for n in range(3)])
    answer = shown(admin, "intake", intake.pk)
    assert len(answer.context["files"]) == 2
    assert "there are more" in answer.content.decode()


def test_an_intake_that_is_not_unpacked_says_when_its_files_are_known(admin, owner):
    intake = accept_zip(owner, {"a.txt": "alpha"})
    assert "known when its archive has been unzipped" in shown(admin, "intake", intake.pk).content.decode()


def test_the_page_of_a_failed_file_has_code_message_next_step_and_the_attempt(admin, owner, worker, monkeypatch):
    monkeypatch.setattr("ingestion.pipeline.extract", _locked)
    file = accept_document(owner).file
    worker.run()
    text = shown(admin, "ingestfile", file.pk).content.decode()
    assert "Failed: password required" in text
    assert "password_required" in text
    assert str(PasswordRequired()) in text
    assert PasswordRequired.hint in text
    assert "attempt 1: failed" in text
    assert reverse("admin:ingestion_document_change", args=[file.document_id]) in text


def test_earlier_items_of_a_file_are_told_of_as_well(admin, owner, worker, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("ingestion.pipeline.extract", _locked)
        file = accept_document(owner).file
        worker.run()
    first = IngestFile.objects.get(pk=file.pk).item_id
    acting.acting_as(UserFactory(is_superuser=True)).retry_file(_loaded(file.pk))
    worker.run()
    second = IngestFile.objects.get(pk=file.pk).item_id
    text = shown(admin, "ingestfile", file.pk).content.decode()
    assert f"item #{first}: attempt 1: failed" in text
    assert f"item #{second}: completed" in text


def test_the_page_of_a_document_says_where_text_and_bytes_are(admin, done):
    text = shown(admin, "document", done.pk).content.decode()
    assert Chunk.objects.filter(document=done).count() == 1
    assert "13 characters in 1 piece in the search index, taken by text" in text
    assert f"13\xa0bytes at {done.blob.storage_key} in the storage" in text
    assert done.blob.sha256 in text
    assert "this database: the text above is all it has" in text
    assert reverse("admin:ingestion_ingestfile_change", args=[done.file.pk]) in text


def test_a_document_in_another_store_says_whether_that_has_it(admin, done, monkeypatch):
    class Elsewhere:
        name, keeps_copies = "elsewhere", True

    monkeypatch.setattr("ingestion.admin.documents.get_store", Elsewhere)
    monkeypatch.setattr("ingestion.admin.documents.reading.store_name", lambda: "elsewhere")
    assert "elsewhere does not have it yet" in shown(admin, "document", done.pk).content.decode()
    Document.objects.filter(pk=done.pk).update(km_ref="elsewhere:r-17")
    assert "elsewhere has it as r-17" in shown(admin, "document", done.pk).content.decode()


def test_names_and_messages_from_outside_are_shown_and_never_run(admin, owner, worker, monkeypatch):
    document = accept_document(owner, "x", "a.txt")
    file = document.file
    worker.run()
    IngestFile.objects.filter(pk=file.pk).update(
        source_path=HOSTILE, safe_name=HOSTILE, outcome=Outcome.FAILED, error_code="corrupt_file", hint=HOSTILE,
        error_message=HOSTILE,
    )  # fmt: skip
    Document.objects.filter(pk=document.pk).update(title=HOSTILE, warnings=[{"message": HOSTILE}], text_note=HOSTILE)
    Intake.objects.filter(pk=file.intake_id).update(filename=HOSTILE, error_message=HOSTILE, error_code="corrupt_file")
    for kind, pk in (("intake", file.intake_id), ("ingestfile", file.pk), ("document", document.pk)):
        question = reverse(f"admin:ingestion_{kind}_do", args=[pk, "cancel"])
        for page in (shown(admin, kind, pk), listing(admin, kind), admin.get(question)):
            assert HOSTILE not in page.content.decode()
            assert "&lt;script&gt;" in page.content.decode()
    item = admin.get(reverse("admin:docqueue_queueitem_change", args=[file.item_id]), follow=True).content.decode()
    assert HOSTILE not in item
    assert "&lt;script&gt;" in item, "the links to file and document"


# -- searching and paging


def test_each_list_is_searched_by_what_people_have_in_hand(admin, done):
    file, sha256 = done.file, done.blob.sha256
    other = accept(done.owner, upload("b.txt", "b"))
    Intake.objects.filter(pk=other.pk).update(client_key="order-7")
    for kind, pk, terms in (
        ("intake", file.intake_id, (str(file.intake_id), f"#{file.intake_id}", "heron")),
        ("intake", other.pk, ("order-7",)),
        ("ingestfile", file.pk, (str(file.pk), str(file.item_id), "HERONS", sha256)),
        ("document", done.pk, (str(done.pk), "heron", sha256.upper())),
    ):
        for term in terms:
            assert pk in found(listing(admin, kind, q=term)), (kind, term)
        assert found(listing(admin, kind, q="no such thing")) == set()
        odd = listing(admin, kind, q="a\0")
        assert (odd.status_code, odd["Location"]) == (302, f"/admin/ingestion/{kind}/?e=1")
    assert len(found(listing(admin, "document", q=done.owner.username))) == 2


def test_pages_go_by_key_and_never_count(admin, owner, monkeypatch):
    accept(owner, *[upload(f"{n}.txt", str(n)) for n in range(5)])
    monkeypatch.setattr("ingestion.admin.files.IngestFileAdmin.list_per_page", 2)
    seen, page = [], listing(admin, "ingestfile")
    while True:
        with CaptureQueriesContext(connection) as captured:
            page = admin.get(page.request["PATH_INFO"] + "?" + page.request["QUERY_STRING"])
        statements = [q["sql"].lower() for q in captured.captured_queries]
        assert not any("count(*)" in sql and "ingestion_" in sql for sql in statements)
        assert not any(" offset " in sql for sql in statements)
        seen += [row.pk for row in page.context["cl"].result_list]
        if page.context["cl"].next_link is None:
            break
        page = admin.get(reverse("admin:ingestion_ingestfile_changelist") + page.context["cl"].next_link)
    assert seen == sorted(IngestFile.objects.values_list("pk", flat=True), reverse=True)


# -- who may


VERBS = [
    ("intake", "retry", "change_intake"),
    ("intake", "cancel", "change_intake"),
    ("intake", "delete", "delete_intake"),
    ("ingestfile", "retry", "change_ingestfile"),
    ("ingestfile", "cancel", "change_ingestfile"),
    ("document", "cancel", "change_document"),
    ("document", "delete", "delete_document"),
]


@pytest.mark.parametrize(("kind", "verb", "codename"), VERBS)
def test_each_verb_takes_its_permission(owner, kind, verb, codename):
    document = accept_document(owner)
    file = document.file
    IngestFile.objects.filter(pk=file.pk).update(error_code="", outcome=Outcome.FAILED if verb == "retry" else "")
    pk = {"intake": file.intake_id, "ingestfile": file.pk, "document": document.pk}[kind]
    address = reverse(f"admin:ingestion_{kind}_do", args=[pk, verb])
    looker = staff(f"view_{kind}")
    text = shown(looker, kind, pk).content.decode()
    assert address not in text
    assert "docqueue-reason" not in text
    assert "only=" not in text
    for answer in (looker.get(address), looker.post(address, {"confirmed": "yes"})):
        assert answer.status_code == 403
    form = {"action": verb, "_selected_action": [pk], "confirmed": "yes"}
    looker.post(reverse(f"admin:ingestion_{kind}_changelist"), form)
    assert not AuditEntry.objects.exists()
    assert (Intake.objects.get().cancel_requested_at, Document.objects.count()) == (None, 1)
    allowed = staff(f"view_{kind}", codename)
    assert address in shown(allowed, kind, pk).content.decode()
    assert allowed.get(address).status_code == 200
    assert allowed.post(address).status_code in (200, 302)


def test_the_service_asks_again_whatever_the_page_lets_through(owner):
    document = accept_document(owner)
    file, nobody = _loaded(document.file.pk), acting.acting_as(UserFactory())
    things = {"intake": file.intake, "file": file, "document": document}
    for verb, permission in acting.PERMISSIONS.items():
        more = {"from_stage": "uploading"} if verb == "reprocess_document" else {}
        if verb == "reprocess_intake":
            continue
        with pytest.raises(NotAllowed, match=permission):
            getattr(nobody, verb)(things[verb.partition("_")[2]], **more)
    for kind in things:
        with pytest.raises(NotAllowed):
            nobody.reprocess_many(acting.Selection(files=(file.pk,)), kind)
    assert not AuditEntry.objects.exists()
    assert QueueItem.objects.count() == 1


def test_bytes_take_a_permission_of_their_own(done):
    for kind, pk in (("document", done.pk), ("ingestfile", done.file.pk)):
        address = reverse(f"admin:ingestion_{kind}_content", args=[pk])
        looker = staff(f"view_{kind}", f"change_{kind}")
        assert address not in shown(looker, kind, pk).content.decode()
        assert looker.get(address).status_code == 403
        reader = staff(f"view_{kind}", "view_content")
        assert address in shown(reader, kind, pk).content.decode()
        assert reader.get(address).status_code == 200
    assert AuditEntry.objects.count() == 2


def test_who_may_not_see_the_queue_sees_none_of_its_items_and_no_audit(done):
    DocumentQueueService().audit("retry_file", by="ada", intake=done.file.intake_id, file=done.file.pk)
    text = shown(staff("view_ingestfile"), "ingestfile", done.file.pk).content.decode()
    assert f"item #{done.file.item_id}:" not in text
    assert "retry_file" not in text
    text = shown(staff("view_ingestfile", "view_auditentry", "view_queueitem"), "ingestfile", done.file.pk)
    assert "retry_file" in text.content.decode()


def test_without_the_forms_token_nothing_is_done(owner):
    intake = accept(owner)
    client = Client(enforce_csrf_checks=True)
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    address = reverse("admin:ingestion_intake_do", args=[intake.pk, "cancel"])
    assert client.post(address, {"confirmed": "yes"}).status_code == 403
    assert Intake.objects.get().cancel_requested_at is None


@pytest.mark.parametrize("pk", [0, 4711, 2**63, 10**40])
@pytest.mark.parametrize("kind", KINDS)
def test_what_no_row_has_is_told_and_breaks_nothing(admin, kind, pk):
    for path in (f"{pk}/change/", f"{pk}/do/cancel/", f"reprocess/?only={pk}"):
        address = reverse(f"admin:ingestion_{kind}_changelist") + path
        assert admin.get(address, follow=True).status_code == 200, path
        form = {"confirmed": "yes", "selection": f'{{"files": [{pk}]}}'}
        assert admin.post(address, form, follow=True).status_code in (200, 403), path
    if kind != "intake":
        assert admin.get(reverse(f"admin:ingestion_{kind}_content", args=[pk]), follow=True).status_code == 200


# -- from the queue's desk to this one


def test_an_item_leads_to_the_intake_file_and_document_that_it_stands_for(admin, owner, worker):
    intake = accept_zip(owner, {"a.txt": "alpha"})
    unpacking = intake.item_id
    worker.run()
    file = intake.files.get()
    here = {
        "intake": reverse("admin:ingestion_intake_change", args=[intake.pk]),
        "file": reverse("admin:ingestion_ingestfile_change", args=[file.pk]),
        "document": reverse("admin:ingestion_document_change", args=[file.document_id]),
    }
    text = admin.get(reverse("admin:docqueue_queueitem_change", args=[file.item_id]), follow=True).content.decode()
    assert all(address in text for address in here.values())
    text = admin.get(reverse("admin:docqueue_queueitem_change", args=[unpacking]), follow=True).content.decode()
    assert here["intake"] in text
    assert here["file"] not in text
    item = QueueItem(pk=1, operation=INGEST, document_id=str(file.document_id), payload={}, metadata={})
    looker = UserFactory()
    assert related.links(item, looker) == [], "who may not see them gets no links"


@pytest.mark.parametrize("payload", [None, [], {"intake": "x"}, {"intake": 2**70}, {"intake": [1]}, {"file": -1}])
def test_items_that_somebody_made_with_odd_payloads_have_a_page_all_the_same(admin, payload):
    for operation in (UNPACK, INGEST, "document.reprocess_many", "document.send"):
        item = QueueItem(pk=1, operation=operation, document_id="no number", payload=payload, metadata=payload)
        assert related.links(item, UserFactory.build(is_superuser=True)) == []


def test_a_source_of_links_that_fails_takes_the_page_from_nobody(monkeypatch, caplog):
    def broken(item, user):
        raise RuntimeError("torn")

    monkeypatch.setattr(related, "_sources", [broken, lambda item, user: [related.Link("file", "a", "/a")]])
    assert related.links(QueueItem(pk=1), None) == [related.Link("file", "a", "/a")]
    assert "could not be had" in caplog.text


def test_only_the_newest_entries_are_looked_at(transactional_db, monkeypatch):
    service = DocumentQueueService()
    for n in range(4):
        service.audit("moved", by="ada", intake=n % 2)
    assert entries_about(intake=1).count() == 2
    monkeypatch.setattr("ingestion.people.LOOKED_AT", 2)
    assert entries_about(intake=1).count() == 1


def _loaded(pk):
    return IngestFile.objects.select_related("document", "intake", "parent", "blob").get(pk=pk)


def _locked(*args, **kwargs):
    raise PasswordRequired
