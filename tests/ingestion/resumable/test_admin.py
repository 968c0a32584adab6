"""Resumable uploads in the admin: how far each is, and an end for those that nobody finishes."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from docqueue.models import AuditEntry
from ingestion.models import Intake
from ingestion.resumable import files
from ingestion.resumable.models import UploadSession
from ingestion.resumable.writing import writing
from tests.ingestion.factories import UserFactory
from tests.ingestion.resumable.tus import Tus

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def admin(transactional_db):
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def listing():
    return reverse("admin:ingestion_resumable_uploadsession_changelist")


def test_the_list_shows_how_far_each_upload_is_and_what_it_became(admin, listing, owner):
    tus = Tus(owner)
    tus.patch(tus.begun(2000, "half.txt"), 0, b"x" * 1000)
    tus.patch(tus.begun(4, "whole.txt"), 0, b"text")
    page = admin.get(listing).content.decode()
    assert "1,000 of 2,000 bytes (50 %)" in page
    assert "4 of 4 bytes (100 %)" in page
    assert reverse("admin:ingestion_intake_change", args=[Intake.objects.get().pk]) in page
    for row in UploadSession.objects.all():
        shown = admin.get(reverse("admin:ingestion_resumable_uploadsession_change", args=[row.pk]))
        assert row.name in shown.content.decode()


def test_the_action_ends_uploads_but_for_one_that_is_just_being_taken_in(admin, listing, owner):
    tus = Tus(owner)
    for name in ("a.txt", "b.txt"):
        tus.begun(2000, name)
    busy = UploadSession.objects.get(name="b.txt")
    chosen = {"action": "end", "_selected_action": list(UploadSession.objects.values_list("pk", flat=True))}
    asked = admin.post(listing, chosen).content.decode()
    assert "Yes, End 2 uploads" in asked
    assert asked.count('name="_selected_action"') == 2
    assert UploadSession.objects.count() == 2, "nothing was done yet"
    ended = str(UploadSession.objects.exclude(pk=busy.pk).get().pk)
    gone = "5b5e2a4e-0000-4000-8000-000000000000"
    chosen |= {"confirmed": "yes", "reason": "left over", "_selected_action": [*chosen["_selected_action"], gone]}
    with writing(busy.pk, 0) as held:
        held.begin_finishing()
        page = admin.post(listing, chosen, follow=True).content.decode()
    assert "1 upload was ended." in page
    assert ".txt (2,000 bytes): Another request is writing to this upload." in page
    assert "1 of them had ended before" in page
    [entry] = AuditEntry.objects.filter(action="end_upload")
    assert (entry.reason, entry.filter) == ("left over", {"upload": ended, "name": "a.txt"})
    assert list(UploadSession.objects.all()) == [busy]
    assert {path.stem for path in files.folder().iterdir()} == {busy.pk.hex}
