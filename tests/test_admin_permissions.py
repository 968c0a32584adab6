"""Who may do what in the admin: every page, verb and list action, asked by those who may not and by those who may.

The addresses come from the URL table and from what each list offers: one that has no entry in tests/pages/may.py fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import transaction
from django.urls import reverse

from docqueue.models import AuditEntry
from tests.ingestion.conftest import documents_dir
from tests.pages.addresses import Address, of_the_admin
from tests.pages.crowd import Crowd
from tests.pages.may import MAY, NOBODY
from tests.pages.scene import Scene, everything

__all__ = ["documents_dir"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("documents_dir")]
FOUND = of_the_admin()
ASKS = {"retry", "reprocess"}
"""Actions of lists that only ask, whatever was sent along: their page has its own form."""
LOOKS = ("_changelist", "_history", "_page", "_live", "_diagnostics", "/")
"""How the names of pages end at which nothing can be done."""
OFFERED_ELSEWHERE = {"docqueue_historyitem_change_priority"}
"""A finished item has no priority any more: the page is there for who comes late."""


@pytest.fixture(scope="module")
def crowd(django_db_setup: None, django_db_blocker: Any) -> Iterator[Crowd]:
    """Everybody who asks."""
    with django_db_blocker.unblock():
        found = Crowd()
        for entry in MAY.values():
            for needs in entry.values():
                found.meet(needs)
    yield found
    with django_db_blocker.unblock():
        found.go()


def is_deed(address: Address) -> bool:
    """Whether a POST that may be sent changes something."""
    if address.kind == "action":
        return address.verb not in ASKS
    return not address.name.endswith(LOOKS)


def test_every_page_has_an_entry_and_every_entry_a_page() -> None:
    assert {*map(str, FOUND)} == {*map(str, MAY)}


@pytest.mark.parametrize("address", FOUND, ids=str)
def test_who_may_not_is_refused_and_nothing_changes(crowd: Crowd, address: Address) -> None:
    scene, needs = Scene(address), MAY[address]
    before = everything()
    for who, client in crowd.strangers():
        for answer in (client.get(scene.path), client.post(scene.path, scene.form)):
            assert answer.status_code == 302, who
            assert answer["Location"].startswith("/admin/login/?next="), who
    for who, client in crowd.who_may_not(needs["get"]):
        assert client.get(scene.path).status_code == 403, who
    for who, client in crowd.who_may_not(needs["post"]):
        answer = client.post(scene.path, scene.form)
        if address.kind == "action" and answer.status_code != 403:
            assert answer.status_code in (200, 302), who  # to Django, an action that they lack is none
            assert "success" not in {message.level_tag for message in get_messages(answer.wsgi_request)}, who
            assert client.get(scene.path).status_code == 200, who
        else:
            assert answer.status_code == 403, who
    assert everything() == before


@pytest.mark.parametrize("address", FOUND, ids=str)
def test_who_may_can_look_and_do_it_and_the_audit_tells(crowd: Crowd, address: Address) -> None:
    scene, needs = Scene(address), MAY[address]
    for who, client in crowd.who_may(needs["get"]):
        status = 302 if address.name.endswith("/") else 405 if address.name == "docqueue_schedule_do" else 200
        answer = client.get(scene.path)
        assert answer.status_code == status, who
        assert needs["post"] is not NOBODY or b'name="_save' not in answer.content, who
    before, audited = everything(), AuditEntry.objects.count()
    for who, client in crowd.who_may(needs["post"]):
        with transaction.atomic():
            answer = client.post(scene.path, scene.form)
            assert answer.status_code in (200, 302), who
            assert (everything() != before) == is_deed(address), who
            assert (AuditEntry.objects.count() > audited) == is_deed(address), who
            transaction.set_rollback(True)


ABORT = Address("docqueue_bulkoperation_changelist", "abort", "action")
"""Offered to whoever may abort any: of those that are ticked, it skips what they may not."""
OFFERS = [
    one
    for one in FOUND
    if is_deed(one) and MAY[one]["post"] is not NOBODY and not one.name.endswith("_change") and one != ABORT
]


@pytest.mark.parametrize("address", OFFERS, ids=str)
def test_what_one_may_not_do_is_not_offered(crowd: Crowd, address: Address) -> None:
    scene = Scene(address)
    needs = MAY[address]["post"]
    assert needs
    if address.kind == "action":
        offer = rf'<option value="{address.verb}"'
    else:  # whichever of the lists an item is in
        path = re.escape(scene.path.split("?")[0]).replace("/deaditem/", "/(deaditem|queueitem)/")
        offer = rf'(href|formaction)="{path}[?"]'
    shown = crowd.client(superuser=True).get(scene.page, follow=True)
    assert shown.status_code == 200
    assert bool(re.search(offer, shown.content.decode())) == (address.name not in OFFERED_ELSEWHERE)
    for who, client in crowd.who_may_not(needs):
        answer = client.get(scene.page, follow=True)
        assert answer.status_code in (200, 403), who
        assert not re.search(offer, answer.content.decode()), who


def test_aborting_is_not_offered_to_who_may_abort_nothing(crowd: Crowd) -> None:
    offer, page = f'<option value="{ABORT.verb}"', Scene(ABORT).page
    for permissions, offered in (((), False), (("docqueue.cancel_item",), True)):
        shown = crowd.client("docqueue.view_bulkoperation", *permissions).get(page).content.decode()
        assert (offer in shown) == offered


@pytest.mark.parametrize("model", ["queueitem", "deaditem", "historyitem"])
def test_the_answer_to_who_may_not_look_does_not_tell_whether_there_is_such_an_item(crowd: Crowd, model: str) -> None:
    there = Scene(Address("docqueue_historyitem_change")).key
    client = crowd.client()
    for key in (there, there + 1000, "x"):
        assert client.get(reverse(f"admin:docqueue_{model}_change", args=[key])).status_code == 403
