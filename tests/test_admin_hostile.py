"""Hostile strings in every text that people or files can give: no page of the project lets one come alive."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.ingestion.conftest import documents_dir
from tests.ingestion.factories import accept_document
from tests.pages.addresses import Address, of_the_admin
from tests.pages.crowd import fresh_client
from tests.pages.hostile import ALL, STRINGS, Eye, inert, poison
from tests.pages.may import MAY, NOBODY
from tests.pages.others import OTHERS
from tests.pages.scene import Scene
from tests.test_admin_permissions import is_deed
from tests.test_api_permissions import ADDRESSES
from tests.test_page_permissions import path_of

__all__ = ["documents_dir"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("documents_dir")]
PAGES = [one for one in of_the_admin() if MAY[one]["get"] is not NOBODY and one.kind == "page" and "/" not in one.name]
TURNS = {one: n for n, one in enumerate(PAGES)}


@pytest.fixture
def client() -> Client:
    """A superuser, who sees all there is, with a name that is no better than the rest."""
    client = fresh_client()
    client.force_login(User.objects.create_superuser(STRINGS[1], first_name=STRINGS[0]))
    return client


@pytest.mark.parametrize("string", [*STRINGS[:6], STRINGS[10], STRINGS[11]])
def test_the_eye_sees_what_is_not_escaped(string: str) -> None:
    eye = Eye()
    text = f"<a href='{string}' title='{string}'>{string}</a>"
    eye.feed(text)
    eye.close()
    assert eye.seen or "{{" in string or string == STRINGS[11]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_page_of_the_admin_shows_them_inert_and_so_does_its_answer_to_them(client: Client, page: Address) -> None:
    scene = Scene(page, queue=STRINGS[TURNS[page] % len(STRINGS)][:64])
    poison(TURNS[page])
    answer = client.get(scene.path, follow=True)
    assert answer.status_code in (200, 405)
    inert(answer)
    form = {name: ALL for name in scene.form if name not in ("confirmed", "post")}
    for sent in (form, form | {"confirmed": "yes", "post": "yes"}) if is_deed(page) else ():
        answer = client.post(scene.path, sent, follow=True)
        assert answer.status_code in (200, 403)
        inert(answer)


@pytest.mark.parametrize("name", [name for name in OTHERS if "logout" not in name and name != "schema"])
def test_so_do_the_pages_of_uploads_and_the_others(client: Client, name: str) -> None:
    document = accept_document(User.objects.get(), name="x.txt", tags=["x"])
    path = path_of(name, document.file)
    for turn in range(0, len(STRINGS), 3):
        poison(turn)
        query = {"q": STRINGS[turn], "tag": STRINGS[turn + 1], "next": STRINGS[turn + 2], "e": "1"}
        answer = client.get(path, query)
        assert answer.status_code < 500
        inert(answer, styled=name == "api-docs")


@pytest.mark.parametrize("address", [one for one in ADDRESSES if one.method == "get"], ids=lambda one: one.name)
def test_the_api_answers_with_them_as_what_no_browser_takes_for_a_page(client: Client, address) -> None:
    document = accept_document(User.objects.get(), name="x.txt", tags=["x"])
    poison(0)
    key = {"document": document.pk, "intake": document.file.intake_id, "file": document.file.pk}
    about = {"pk": key.get(address.name.split(":")[1].split("-")[0], 1)} if "pk" in address.arguments else {}
    answer = client.get(address._replace(arguments=address.arguments | about).path, {"q": ALL, "cursor": ALL})
    assert answer.status_code < 500 or answer.status_code == 503
    assert not answer.get("Content-Type", "").startswith(("text/html", "image/svg"))
    inert(answer)
