"""Reprocess from the admin: a page with counts before anything is done, and who may come so far."""

from __future__ import annotations

import html
import json
import re

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from docqueue.models import HistoryItem, QueueItem
from docqueue.states import Status
from ingestion.admin.filters import failed_codes
from ingestion.errors import CorruptFile, PasswordRequired
from ingestion.models import Document, IngestFile, Outcome
from ingestion.reprocess_many import REPROCESS_MANY
from tests.ingestion.factories import UserFactory, accept, accept_document, upload

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def admin(transactional_db):
    return logged_in(UserFactory(is_staff=True, is_superuser=True))


def logged_in(user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    return client


@pytest.fixture
def failed(owner, worker, monkeypatch):
    """Two files that failed with corrupt_file, one with password_required, and one that did not."""
    for error, names in ((CorruptFile(), "ab"), (PasswordRequired(), "c")):
        with monkeypatch.context() as patch:
            patch.setattr("ingestion.pipeline.extract", _raise(error))
            intake = accept(owner, *[upload(f"{name}.txt", f"text {name}") for name in names])
            worker.run()
    accept_document(owner, "a heron")
    worker.run()
    return intake


def address(kind, what="reprocess"):
    return reverse(f"admin:ingestion_{kind}_{what}")


def act(client, kind, action, *pks, query=""):
    listing = address(kind, "changelist") + query
    form = {"action": action, "_selected_action": list(pks), "csrfmiddlewaretoken": token(client.get(listing))}
    return client.post(listing, form)


def token(page):
    return re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode()).group(1)


def confirm(client, kind, page, **given):
    text = page.content.decode()
    selection = html.unescape(re.search(r'name="selection" value="([^"]*)"', text).group(1))
    form = {"selection": selection, "csrfmiddlewaretoken": token(page), "priority": "-50", **given}
    return client.post(address(kind), form, follow=True)


def orders():
    return QueueItem.objects.filter(operation=REPROCESS_MANY)


def test_a_list_filtered_by_an_error_code_leads_to_a_page_about_all_that_it_shows(admin, worker, failed):
    listed = admin.get(address("ingestfile", "changelist"), {"error_code": "corrupt_file"}).content.decode()
    link = html.unescape(re.search(r'href="([^"]*/reprocess/[^"]*)"', listed).group(1))
    assert link.endswith("?error_code=corrupt_file")
    page = admin.get(link)
    text = page.content.decode()
    assert re.search(r"can be processed anew</th><td>2<", text)
    assert re.search(r"failed with corrupt_file</th><td>2<", text)
    assert not orders().exists(), "nothing was begun"
    said = confirm(admin, "ingestfile", page, from_stage="indexing", priority="5").content.decode()
    assert "puts them into the queue: 2 files." in said
    order = orders().get()
    assert (order.priority, order.payload["from_stage"]) == (5, "indexing")
    assert order.payload["selection"] == {"error_code": "corrupt_file"}, "of everybody"
    worker.run()
    assert IngestFile.objects.filter(outcome=Outcome.FAILED).count() == 1


def test_a_list_that_can_not_be_said_as_a_selection_is_refused(admin, failed):
    for query in ({"q": "a.txt"}, {"stage__exact": "index_failed"}):
        page = admin.get(address("ingestfile"), query, follow=True)
        assert "can not be narrowed by" in page.content.decode()
    page = admin.get(address("ingestfile"), {"outcome__exact": "failed", "intake__id__exact": failed.pk})
    assert re.search(r"can be processed anew</th><td>1<", page.content.decode())


def test_the_page_asks_which_files_where_the_list_does_not_say(admin, failed):
    page = admin.get(address("document")).content.decode()
    assert "Which files?" in page
    assert "Yes, reprocess" not in page
    Document.objects.filter(extractor="text").update(extractor_version=0)
    page = admin.get(address("document"), {"extractor": "text", "extractor_version_below": "1"})
    assert re.search(r"text, text taken by text 0</th><td>1<", page.content.decode())
    wrong = admin.get(address("document"), {"extractor_version_below": "1"}, follow=True).content.decode()
    assert "needs an extractor" in wrong


def test_documents_that_an_older_version_read_are_listed_and_reprocessed(admin, worker, failed):
    Document.objects.filter(extractor="text").update(extractor_version=0)
    listed = admin.get(address("document", "changelist"), {"outdated": "1"}).content.decode()
    assert len(re.findall(r'name="_selected_action"', listed)) == 1
    confirm(admin, "document", admin.get(address("document"), {"outdated": "1"}))
    worker.run()
    assert Document.objects.get(extractor="text").extractor_version > 0


@pytest.mark.parametrize(("kind", "model"), [("ingestfile", IngestFile), ("document", Document)])
def test_ticked_rows_are_processed_from_a_stage_once_that_is_confirmed(admin, worker, failed, kind, model):
    pks = list(model.objects.order_by("pk").values_list("pk", flat=True)[:2])
    page = act(admin, kind, "reprocess", *pks, query="?q=txt")
    assert re.search(r"can be processed anew</th><td>2<", page.content.decode())
    assert not orders().exists()
    confirm(admin, kind, page, from_stage="uploading")
    assert orders().get().payload["by"]
    worker.run()
    assert HistoryItem.objects.get(operation=REPROCESS_MANY).result["documents"] == 2


@pytest.mark.parametrize(("action", "files"), [("retry", 1), ("reprocess", 2)])
def test_the_failed_files_of_ticked_intakes_or_all_are_processed_anew(admin, owner, worker, failed, action, files):
    other = IngestFile.objects.get(outcome=Outcome.COMPLETED).intake_id
    page = act(admin, "intake", action, failed.pk, other)
    assert re.search(rf"can be processed anew</th><td>{files}<", page.content.decode())
    confirm(admin, "intake", page)
    worker.run()
    assert HistoryItem.objects.get(operation=REPROCESS_MANY).result["documents"] == files


def test_where_there_is_nothing_to_do_it_says_so(admin, failed):
    page = admin.get(address("ingestfile"), {"error_code": "timed_out"})
    assert "nothing to do" in confirm(admin, "ingestfile", page).content.decode()
    assert not orders().exists()


@pytest.mark.parametrize(
    "given",
    [
        {"selection": "{}"},
        {"selection": "[1]"},
        {"selection": "["},
        {"selection": '{"colour": "red"}'},
        {"selection": '{"files": {"1": 2}}'},
        {"selection": json.dumps({"error_code": "x" * 200_000})},
        {"priority": "101"},
        {"from_stage": "completed"},
    ],
)
def test_a_form_that_was_tampered_with_begins_nothing(admin, failed, given):
    page = admin.get(address("ingestfile"), {"error_code": "corrupt_file"})
    assert confirm(admin, "ingestfile", page, **given).status_code == 200
    assert not orders().exists()


def test_without_the_forms_token_nothing_is_begun(admin, failed):
    answer = admin.post(address("ingestfile"), {"selection": '{"error_code": "corrupt_file"}', "priority": "0"})
    assert answer.status_code == 403
    assert not orders().exists()


@pytest.mark.parametrize("kind", ["intake", "ingestfile", "document"])
def test_who_may_only_look_sees_no_link_and_is_refused(failed, kind):
    viewer = UserFactory(is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename=f"view_{kind}"))
    client = logged_in(viewer)
    listed = client.get(address(kind, "changelist"))
    assert "Reprocess all that match" not in listed.content.decode()
    assert client.get(address(kind), {"error_code": "corrupt_file"}).status_code == 403
    form = {"selection": '{"error_code": "corrupt_file"}', "priority": "0"}
    free = Client()
    free.force_login(viewer)
    assert free.post(address(kind), form).status_code == 403
    assert not orders().exists()


def test_the_filter_offers_the_codes_that_files_have_failed_with(admin, failed):
    assert failed_codes() == ["corrupt_file", "password_required"]
    page = admin.get(address("ingestfile", "changelist"), {"error_code": "password_required"}).content.decode()
    assert len(re.findall(r'name="_selected_action"', page)) == 1
    assert "?error_code=corrupt_file" in page


def test_a_dead_item_of_a_reprocessed_file_is_given_up(admin, worker, failed):
    confirm(admin, "ingestfile", admin.get(address("ingestfile"), {"error_code": "corrupt_file"}))
    worker.run()
    assert QueueItem.objects.filter(status=Status.DEAD).count() == 1, "that of the other code"


def _raise(error):
    def fail(*args, **kwargs):
        raise error

    return fail
