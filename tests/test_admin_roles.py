"""The two groups of `manage.py queue_roles`: who looks sees every screen of the queue and of ingestion, and changes
nothing; who acts can do everything; and what items and documents carry is seen with its own permission only.
"""

from __future__ import annotations

from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client

from docqueue import roles
from docqueue.models import AuditEntry
from docqueue.roles import OPERATORS, READERS
from docqueue.service import DocumentQueueService
from tests.ingestion.conftest import documents_dir
from tests.pages.addresses import Address, of_the_admin
from tests.pages.crowd import fresh_client
from tests.pages.may import MAY, NOBODY
from tests.pages.scene import OPERATION, Scene, everything
from tests.test_admin_permissions import is_deed

__all__ = ["documents_dir"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("documents_dir")]
PAGES = of_the_admin()
TRUSTED = ("docqueue_attempt_", "docqueue_auditentry_", "docqueue/attempt/", "docqueue/auditentry/")
"""Screens that readers do not get: tracebacks, and what other people did."""
SCREENS = [one for one in PAGES if not is_deed(one) and one.kind == "page" and MAY[one]["get"] is not NOBODY]
DEEDS = [one for one in PAGES if is_deed(one) and MAY[one]["post"] is not NOBODY]


@pytest.fixture(scope="module")
def sessions(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[str, str]]:
    """Staff of each group, without any other permission: the cookies of one of each."""
    found = {}
    with django_db_blocker.unblock():
        call_command("queue_roles", verbosity=0)
        for group in (READERS, OPERATORS):
            client = Client()
            client.force_login(one := User.objects.create_user(group, is_staff=True))
            one.groups.add(Group.objects.get(name=group))
            found[group] = client.cookies.output(header="", sep=";")
    yield found
    with django_db_blocker.unblock():
        User.objects.filter(username__in=found).delete()
        Group.objects.filter(name__in=found).delete()


@pytest.fixture
def reader(sessions: dict[str, str]) -> Client:
    """One who looks."""
    return in_hand_of(sessions[READERS])


@pytest.fixture
def operator(sessions: dict[str, str]) -> Client:
    """One who acts."""
    return in_hand_of(sessions[OPERATORS])


def in_hand_of(cookies: str) -> Client:
    client = fresh_client()
    client.cookies = SimpleCookie(cookies)
    return client


@pytest.mark.parametrize("page", SCREENS, ids=str)
def test_a_reader_sees_every_screen_but_those_of_the_trusted(reader: Client, operator: Client, page: Address) -> None:
    path = Scene(page).path
    if page.name.startswith(TRUSTED):
        assert reader.get(path, follow=True).status_code == 403
        assert operator.get(path, follow=True).status_code == 200
    else:  # operators have all that readers have
        assert reader.get(path, follow=True).status_code == 200


def test_an_operator_may_all_that_a_reader_may() -> None:
    may = {role.name: role.permissions for role in roles.known()}
    assert may[READERS] < may[OPERATORS]


@pytest.mark.parametrize("page", DEEDS, ids=str)
def test_a_reader_can_change_nothing_and_an_operator_everything_with_their_name_in_the_audit(
    reader: Client, operator: Client, page: Address
) -> None:
    scene = Scene(page)
    before = everything()
    answer = reader.post(scene.path, scene.form)
    assert answer.status_code == 403 or page.kind == "action"  # to Django, an action that they lack is none
    assert everything() == before
    downloads = page.name.endswith("_content")
    assert operator.post(scene.path, scene.form).status_code == (200 if downloads else 302)
    assert everything() != before
    assert AuditEntry.objects.latest("id").actor == OPERATORS


SECRET = "swordfish"


@pytest.mark.parametrize("group", [READERS, OPERATORS])
def test_what_items_carry_is_seen_with_its_permission_only(sessions: dict[str, str], group: str) -> None:
    service = DocumentQueueService()
    carried = {"payload": {"a": SECRET}, "metadata": {"b": SECRET}}
    live = service.enqueue(None, OPERATION, ordering_key=None, **carried).id
    done = service.enqueue(None, OPERATION, ordering_key=None, **carried)
    service.mark_completed(service.mark_in_progress(done), result={"c": SECRET})
    client = in_hand_of(sessions[group])
    for address in (f"queueitem/{live}/change/", f"historyitem/{done.id}/change/", f"historyitem/{done.id}/clone/"):
        answer = client.get(f"/admin/docqueue/{address}")
        assert (SECRET in answer.content.decode()) == (group == OPERATORS), address
    user = User.objects.get(username=group)
    user.user_permissions.add(Permission.objects.get(codename="view_payload"))
    assert SECRET in client.get(f"/admin/docqueue/queueitem/{live}/change/").content.decode()
