"""The two groups of `manage.py queue_roles`: who looks sees every screen of the queue and of ingestion, and changes
nothing; who acts can do everything; and what items and documents carry is seen with its own permission only.
"""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client

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


def member(group: str, name: str = "member") -> Client:
    """Staff of this group, without any other permission."""
    call_command("queue_roles", verbosity=0)
    user = User.objects.create_user(name, is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client = fresh_client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("page", SCREENS, ids=str)
def test_a_reader_sees_every_screen_but_those_of_the_trusted(page: Address) -> None:
    scene = Scene(page)
    refused = page.name.startswith(TRUSTED)
    answer = member(READERS).get(scene.path, follow=True)
    assert answer.status_code == (403 if refused else 200)
    assert member(OPERATORS, "chief").get(scene.path, follow=True).status_code == 200


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_reader_can_change_nothing(page: Address) -> None:
    scene, client = Scene(page), member(READERS)
    before = everything()
    answer = client.post(scene.path, scene.form)
    assert answer.status_code in (200, 302, 403)
    assert answer.status_code == 403 or not is_deed(page) or page.kind == "action"
    assert everything() == before


@pytest.mark.parametrize("page", DEEDS, ids=str)
def test_an_operator_can_do_each_action_and_is_named_in_the_audit(page: Address) -> None:
    scene, client = Scene(page), member(OPERATORS)
    before = everything()
    downloads = page.name.endswith("_content")
    assert client.post(scene.path, scene.form).status_code == (200 if downloads else 302)
    assert everything() != before
    assert AuditEntry.objects.latest("id").actor == "member"


SECRET = "swordfish"


@pytest.mark.parametrize("group", [READERS, OPERATORS])
def test_what_items_carry_is_seen_with_its_permission_only(group: str) -> None:
    service = DocumentQueueService()
    carried = {"payload": {"a": SECRET}, "metadata": {"b": SECRET}}
    live = service.enqueue(None, OPERATION, ordering_key=None, **carried).id
    done = service.enqueue(None, OPERATION, ordering_key=None, **carried)
    service.mark_completed(service.mark_in_progress(done), result={"c": SECRET})
    client = member(group)
    for address in (f"queueitem/{live}/change/", f"historyitem/{done.id}/change/", f"historyitem/{done.id}/clone/"):
        answer = client.get(f"/admin/docqueue/{address}")
        assert (SECRET in answer.content.decode()) == (group == OPERATORS), address
    user = User.objects.get(username="member")
    user.user_permissions.add(Permission.objects.get(codename="view_payload"))
    assert SECRET in client.get(f"/admin/docqueue/queueitem/{live}/change/").content.decode()
