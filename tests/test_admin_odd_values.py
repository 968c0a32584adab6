"""Odd values in the queries and paths of every page that is not of the API: never a crash, nothing echoed alive."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from django.contrib import admin
from django.contrib.admin.utils import quote as admin_quote
from django.contrib.auth.models import User
from django.test import Client

from tests.ingestion.conftest import documents_dir
from tests.ingestion.factories import accept_document
from tests.pages.addresses import Address, of_the_admin
from tests.pages.crowd import fresh_client
from tests.pages.hostile import STRINGS, inert
from tests.pages.may import MAY, NOBODY
from tests.pages.others import OTHERS
from tests.pages.scene import Scene
from tests.test_page_permissions import path_of

__all__ = ["documents_dir"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("documents_dir"), pytest.mark.slow]
ODD = [quote(STRINGS[0]), "%00", "%ff%fe", "9" * 40]
"""As they stand in an address: what would be alive, a NUL, what is no UTF-8, a number that fits nowhere."""
ODDER = [*ODD, quote(STRINGS[1]), "a%00b", "%ed%a0%80", "%", "-1", "9" * 19, "9" * 5000, "%D9%A3", "x" * 300, "1.5"]
EVERYWHERE = ("q", "p", "o", "e", "all", "next", "_popup", "_to_field", "_changelist_filters", "_facets", STRINGS[0])
ASKED = {
    "docqueue_queue_page": ("queue",),
    "docqueue_queue_pause": ("queue",),
    "docqueue_queue_resume": ("queue",),
    "ingestion_kmcall_diagnostics": ("hours", "method"),
}
PAGES = [one for one in of_the_admin() if MAY[one]["get"] is not NOBODY and one.kind == "page"]
UPLOADS = {"uploads:home": ("q", "tag", "type", "cursor", "before"), "uploads:intake": ("after", "outcome", "still"),
           "uploads:news": ("card", "key"), "login": ("next",), "admin:login": ("next",)}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_logs() -> Iterator[None]:
    """What is refused is logged with its traceback, and to set that in colours takes longer than all else here."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def client(db: None) -> Client:
    """A superuser, to whom crashes are raised."""
    client = fresh_client()
    client.force_login(User.objects.create_superuser("chief"))
    return client


def parameters(page: Address) -> Iterator[str]:
    """What its query may hold: for lists also what they are filtered by."""
    yield from ASKED.get(page.name, ())
    model = page.name.removesuffix("_changelist")
    for one in admin.site._registry.values():
        if f"{one.opts.app_label}_{one.opts.model_name}" != model:
            continue
        for kind in one.list_filter:
            yield getattr(kind, "parameter_name", f"{kind}__exact")
            yield from (f"{kind}__gte", f"{kind}__isnull") if isinstance(kind, str) else ()
    if page.name.endswith("_bulk"):
        yield from ("status", "queue", "fingerprint", "older_than_days")
    if page.name.endswith("_changelist"):
        yield from EVERYWHERE
    if page.name.endswith("_reprocess"):
        yield from ("error_code", "intake", "extractor", "extractor_version_below", "outdated", "outcome")


def judge(client: Client, path: str, follow: bool = False) -> None:
    try:
        answer: Any = client.get(path, follow=follow)
    except Exception as error:
        error.add_note(f"GET {path[:200]}")
        raise
    assert answer.status_code < 500, (path[:200], answer.status_code)
    if b"evil" in answer.content:  # what of it could come alive says so
        inert(answer)


LISTS = [one for one in PAGES if one.name.endswith("_changelist")]
OTHER = [one for one in PAGES if one not in LISTS and [*parameters(one)]]
BY_NAME = [*{one.name: one for one in PAGES}.values()]


@pytest.mark.parametrize("page", LISTS, ids=str)
def test_whatever_stands_in_the_query_of_a_list_it_answers(client: Client, page: Address) -> None:
    path = Scene(page).path
    names = [*dict.fromkeys(parameters(page))]
    for name in names:  # each by itself, as the first that is refused sends one away
        judge(client, f"{path}?{quote(name)}={'9' * 40}")
    for value in ODDER:
        judge(client, f"{path}?{'&'.join(f'{quote(name)}={value}' for name in names)}")


@pytest.mark.parametrize("page", OTHER, ids=str)
def test_so_does_another_page_that_has_a_query(client: Client, page: Address) -> None:
    path = Scene(page).path.partition("?")[0]
    for name in parameters(page):
        for value in ODDER:
            judge(client, f"{path}?{quote(name)}={value}")


@pytest.mark.parametrize("page", BY_NAME, ids=str)
def test_whatever_stands_in_its_path_instead_of_a_key_or_a_verb_it_answers(client: Client, page: Address) -> None:
    scene = Scene(page)
    path, key = scene.path.partition("?")[0], f"/{quote(admin_quote(str(scene.key)))}/"
    if key not in path:
        return
    for value in (*ODD, "_00", "9" * 5000, "-1"):
        judge(client, path.replace(key, f"/{value}/"), follow=value == ODD[0])
    if page.verb:
        for value in ODD:
            judge(client, path.replace(f"/{page.verb}/", f"/{value}/"))


@pytest.mark.parametrize(("name", "names"), UPLOADS.items(), ids=[*UPLOADS])
def test_so_do_the_pages_of_uploads_and_the_login(client: Client, name: str, names: tuple[str, ...]) -> None:
    document = accept_document(User.objects.get())
    path = path_of(name, document.file)
    for parameter in names:
        for value in ODDER:
            judge(client, f"{path}?{parameter}={value}")
    assert name in OTHERS


@pytest.mark.parametrize(
    "value", [one for one in STRINGS if "\x01" not in one] + ["//evil.example", "https:evil.example"]
)
def test_nobody_is_led_away_after_the_login(value: str) -> None:
    User.objects.create_user("ann", password="x", is_staff=True)
    for path in ("/login/", "/admin/login/"):
        client = fresh_client()
        answer = client.post(f"{path}?next={quote(value)}", {"username": "ann", "password": "x", "next": value})
        assert answer.status_code == 302
        there = urlsplit(answer["Location"].replace("\\", "/"))
        assert (there.scheme, there.netloc) == ("", "")
