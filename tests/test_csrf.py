"""Forged requests: whatever changes something needs the token, on every page and at every address of the API.

The addresses come from the URL table. Who is logged in may everything: only the token is missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.test.client import ClientHandler

from tests.docqueue.api.callers import assert_problem
from tests.ingestion.conftest import documents_dir
from tests.ingestion.factories import accept_document, upload
from tests.pages.addresses import Address as Page
from tests.pages.addresses import of_the_admin
from tests.pages.others import NOT_SO, OTHERS
from tests.pages.scene import Scene, everything
from tests.test_api_permissions import ADDRESSES, BODIES, TUS, Address
from tests.test_page_permissions import path_of

__all__ = ["documents_dir"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("documents_dir")]
HANDLER = ClientHandler(enforce_csrf_checks=True)
WRITES = [one for one in ADDRESSES if one.method not in ("get", "head")]


@pytest.fixture(scope="module")
def logged_in(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """A superuser's session, one for all."""
    with django_db_blocker.unblock():
        user, client = User.objects.create_superuser("owner"), Client()
        client.force_login(user)
    yield client.cookies.output(header="", sep=";")
    with django_db_blocker.unblock():
        user.delete()


@pytest.fixture
def client(logged_in: str) -> Client:
    """A superuser's browser, that a page elsewhere makes send what it likes."""
    client = Client()
    client.handler = HANDLER
    client.cookies = SimpleCookie(logged_in)
    return client


@pytest.mark.parametrize("page", of_the_admin(), ids=str)
def test_no_page_and_no_action_of_the_admin_takes_a_form_without_the_token(client: Client, page: Page) -> None:
    scene = Scene(page)
    before = everything()
    assert client.post(scene.path, scene.form).status_code == 403
    assert everything() == before


def test_nor_one_with_the_token_of_somebody_else(client: Client) -> None:
    scene = Scene(Page("docqueue_queueitem_do", "requeue"))
    before, client.cookies["csrftoken"] = everything(), "a" * 32
    assert client.post(scene.path, scene.form | {"csrfmiddlewaretoken": "b" * 32}).status_code == 403
    assert everything() == before
    assert client.post(scene.path, scene.form | {"csrfmiddlewaretoken": "a" * 32}).status_code == 302
    assert everything() != before


@pytest.mark.parametrize("name", [name for name, (_, post) in OTHERS.items() if post != NOT_SO])
def test_no_other_page_does_either(client: Client, name: str) -> None:
    document = accept_document(User.objects.get())
    before = everything()
    answer = client.post(path_of(name, document.file), {"file": upload("other.txt", "other")})

    assert answer.status_code == 403
    assert everything() == before


@pytest.mark.parametrize("address", WRITES, ids=[f"{one.method} {one.name}" for one in WRITES])
def test_the_api_takes_nothing_from_a_session_without_the_token(client: Client, address: Address) -> None:
    assert_problem(send(client, address), 403, "csrf_failed")


def send(client: Client, address: Address) -> Any:
    """What would be understood, were it not forged."""
    body, content_type, headers = json.dumps(BODIES.get(address.name, {})), "application/json", {}
    if address.name.startswith("ingestion-resumable:"):
        content_type, headers = TUS["Content-Type"], TUS
    before = everything()
    answer = client.generic(address.method.upper(), address.path, body, content_type, headers=headers)
    assert everything() == before
    return answer
