"""Who gets which answer from the pages that are of no app's admin: uploads, health, metrics, login, descriptions."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ingestion.models import IngestFile, Outcome
from tests.ingestion.conftest import documents_dir
from tests.ingestion.factories import accept_document, upload
from tests.pages.addresses import others
from tests.pages.crowd import fresh_client
from tests.pages.others import EVERYBODY, NOT_SO, OTHERS, Answer, Expected
from tests.pages.scene import everything

__all__ = ["documents_dir"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("documents_dir")]
PATHS = {
    "admin:app_list": "/admin/docqueue/",
    "admin:view_on_site": "/admin/r/1/1/",
    "admin:(?P<url>.*)$": "/admin/nothing/here/",
    "one-time-login": "/login/x/y/",
}


def test_every_other_page_has_an_entry_and_every_entry_a_page() -> None:
    assert {*others()} == {*OTHERS}


def logged_in(user: User) -> Client:
    client = fresh_client()
    client.force_login(user)
    return client


@pytest.fixture
def owned(db: None) -> IngestFile:
    """A file that failed, so that its upload can be cancelled no more, but retried and deleted."""
    document = accept_document(User.objects.create_user("owner"))
    return IngestFile.objects.select_related("intake", "document").get(document=document)


def path_of(name: str, file: IngestFile) -> str:
    if name in PATHS:
        return PATHS[name]
    kind = name.removeprefix("uploads:")
    keys = {"retry-file": file.pk, "document": file.document_id}
    about_one = name.startswith("uploads:") and kind not in ("home", "news")
    return reverse(name, args=[keys.get(kind, file.intake_id)] if about_one else [])


def people(file: IngestFile) -> dict[str, Client]:
    """One of each kind. Staff has every permission that there is, and still not what is another's."""
    staff = User.objects.create_user("staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.all())
    found = {"nobody": fresh_client(), "user": logged_in(User.objects.create_user("user"))}
    return found | {"staff": logged_in(staff), "owner": logged_in(file.intake.owner)}


def judge(answer: Any, wanted: Answer, who: str) -> None:
    if wanted in ("login", "admin"):
        assert answer.status_code == 302, who
        assert answer["Location"].startswith({"login": "/login/?", "admin": "/admin/login/?"}[str(wanted)]), who
    else:
        assert answer.status_code == wanted, (who, answer.content[:300])


@pytest.mark.parametrize("name", OTHERS)
def test_a_look_is_answered_as_it_should_be_and_changes_nothing(owned: IngestFile, name: str) -> None:
    callers, before = people(owned), everything()
    if OTHERS[name][0] == EVERYBODY:  # with the answer that nobody gets
        callers = {"nobody": callers["nobody"]}
    for who, client in callers.items():
        judge(client.get(path_of(name, owned)), getattr(OTHERS[name][0], who), who)
    assert everything() == before


@pytest.mark.parametrize("name", OTHERS)
def test_a_deed_is_refused_to_others_without_a_trace_and_done_for_the_owner(owned: IngestFile, name: str) -> None:
    callers, expected = people(owned), OTHERS[name][1]
    if "retry" in name:
        IngestFile.objects.update(outcome=Outcome.FAILED, error_code="broken", finished_at=timezone.now())
    path = path_of(name, owned)
    for who, client in callers.items():
        before = everything()
        judge(client.post(path, {"file": upload()} if name == "uploads:home" else {}), getattr(expected, who), who)
        done = getattr(expected, who) == 303 or (who == "owner" and is_deed(expected))
        assert (everything() != before) == done, who


def is_deed(expected: Expected) -> bool:
    """Whether the owner's POST does something that others' do not."""
    return expected != NOT_SO and expected.user == 404
