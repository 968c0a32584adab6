"""The admin: lists with their state lines, actions that go through the services, and no table counted."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from docqueue import claiming
from docqueue.models import QueueItem, Worker
from ingestion.models import Blob, Chunk, Document, Intake, IntakeStatus
from tests.ingestion.factories import UserFactory, accept, accept_document, accept_zip, upload
from tests.ingestion.leftovers import kept, left

pytestmark = pytest.mark.django_db(transaction=True)
YES = {"confirmed": "yes"}


@pytest.fixture
def admin(transactional_db):
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def listing(kind):
    return reverse(f"admin:ingestion_{kind}_changelist")


def test_lists_show_the_state_line_of_each_row(admin, owner, worker):
    accept_document(owner, b"MZ" + b"\0" * 200, "x.exe")
    worker.run()
    accept_document(owner, "waiting")
    for kind in ("intake", "ingestfile", "document"):
        page = admin.get(listing(kind)).content.decode()
        assert "Failed: unsupported type" in page, kind
        assert "aiting" in page, kind


@pytest.mark.parametrize("kind", ["intake", "ingestfile", "document"])
def test_no_list_counts_a_table_and_a_longer_list_costs_no_more_statements(admin, owner, kind):
    accept(owner, upload("a.txt", "a"))
    with CaptureQueriesContext(connection) as few:
        admin.get(listing(kind))
    for n in range(6):
        accept(owner, upload(f"{n}.txt", str(n)))
    with CaptureQueriesContext(connection) as many:
        admin.get(listing(kind))
    assert len(many) == len(few)
    counts = [q["sql"] for q in many.captured_queries if re.search(r"count\(\*\)", q["sql"], re.IGNORECASE)]
    assert all("LIMIT" in sql for sql in counts)


def test_pages_of_single_rows_open(admin, owner, worker):
    intake = accept_zip(owner, {"a.txt": "alpha"})
    worker.run()
    file = intake.files.get()
    for kind, pk in (("intake", intake.pk), ("ingestfile", file.pk), ("document", file.document_id)):
        page = admin.get(reverse(f"admin:ingestion_{kind}_change", args=[pk]))
        assert page.status_code == 200
        assert "Completed" in page.content.decode()


def test_the_page_of_an_intake_tells_how_far_it_is_and_what_it_waits_for(admin, owner, worker, monkeypatch):
    intake = accept(owner, *[upload(f"{n}.txt", f"text {n}") for n in range(4)])
    address = reverse("admin:ingestion_intake_change", args=[intake.pk])
    assert "0 % · waits for a worker: none runs that could take it" in admin.get(address).content.decode()
    worker.run_claimed(worker.claim())
    claim = worker.claim()
    serving = claiming.register("default", Worker.Kind.WORKER, lease_seconds=60)
    QueueItem.objects.filter(pk=claim.id).update(worker_id=serving)
    now = timezone.now()
    monkeypatch.setattr("ingestion.admin.intakes.timezone.now", lambda: now + timedelta(seconds=10))
    assert re.search(r"\d+ % · about \d+ s left · works on 1.txt", admin.get(address).content.decode())
    monkeypatch.setattr("ingestion.admin.intakes.timezone.now", lambda: now + timedelta(minutes=10))
    assert "works on 1.txt · stalled" in admin.get(address).content.decode()


def test_rows_can_not_be_added_nor_single_files_deleted(admin, owner):
    intake = accept(owner)
    assert admin.get(reverse("admin:ingestion_intake_add")).status_code == 403
    pk = intake.files.get().pk
    assert admin.get(reverse("admin:ingestion_ingestfile_delete", args=[pk])).status_code == 403
    assert admin.post(reverse("admin:ingestion_ingestfile_do", args=[pk, "delete"]), YES).status_code == 403


@pytest.mark.parametrize("kind", ["document", "intake"])
def test_a_document_and_an_intake_are_deleted_after_a_question(admin, owner, worker, documents_dir, kind):
    document = accept_document(owner, "a heron", "herons.txt")
    worker.run()
    pk = {"document": document.pk, "intake": document.file.intake_id}[kind]
    address = reverse(f"admin:ingestion_{kind}_do", args=[pk, "delete"])
    page = admin.post(address)
    assert "herons.txt" in page.content.decode()
    assert f"Yes, Delete 1 {kind}" in page.content.decode()
    assert left(Document) == {"Document"}
    assert admin.post(address, YES).url == listing(kind)
    assert left(Document, Chunk, Blob) == set()
    assert kept(documents_dir) == []
    assert LogEntry.objects.get().is_deletion()


@pytest.mark.parametrize("kind", ["document", "intake"])
def test_selected_rows_are_deleted_as_single_ones_are(admin, owner, worker, documents_dir, kind):
    documents = [accept_document(owner, f"heron {n}") for n in range(2)]
    worker.run()
    pks = [{"document": row.pk, "intake": row.file.intake_id}[kind] for row in documents]
    form = {"action": "delete", "_selected_action": pks}
    assert f"Yes, Delete 2 {kind}s" in admin.post(listing(kind), form).content.decode()
    assert f"2 {kind}s are deleted" in admin.post(listing(kind), {**form, **YES}, follow=True).content.decode()
    assert left(Document, Chunk, Blob) == set()
    assert kept(documents_dir) == []


def test_who_may_only_change_can_not_delete(owner):
    from django.contrib.auth.models import Permission

    editor = UserFactory(is_staff=True)
    editor.user_permissions.add(*Permission.objects.filter(codename__in=("view_document", "change_document")))
    document = accept_document(owner)
    client = Client()
    client.force_login(editor)
    for address in ("admin:ingestion_document_delete", "admin:ingestion_document_do"):
        args = [document.pk, "delete"] if address.endswith("do") else [document.pk]
        assert client.post(reverse(address, args=args), {"post": "yes", **YES}).status_code == 403
    act(client, "document", "delete", document.pk, **YES)
    assert Document.objects.filter(pk=document.pk).exists()


def test_cancelling_selected_intakes_ends_them(admin, owner):
    intake = accept(owner, upload("a.txt", "a"), upload("b.txt", "b"))
    assert "Yes, Cancel 2 files that have not ended" in act(admin, "intake", "cancel", intake.pk)
    assert "1 intake is being cancelled" in act(admin, "intake", "cancel", intake.pk, **YES)
    assert Intake.objects.get().status == IntakeStatus.CANCELLED


def test_who_may_only_look_sees_no_actions(owner):
    from django.contrib.auth.models import Permission

    viewer = UserFactory(is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_document"))
    document = accept_document(owner)
    client = Client()
    client.force_login(viewer)
    page = client.get(listing("document")).content.decode()
    assert document.title in page
    assert 'value="reprocess"' not in page


def test_searching_by_id_and_name_finds_the_row(admin, owner):
    document = accept_document(owner, "text", "quarterly.txt")
    for words in ("quarterly", str(document.pk)):
        assert "quarterly.txt" in admin.get(listing("document"), {"q": words}).content.decode()


def act(client, kind, action, *pks, **more):
    form = {"action": action, "_selected_action": list(pks), **more}
    return client.post(listing(kind), form, follow=True).content.decode()
