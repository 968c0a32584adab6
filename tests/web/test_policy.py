"""The Content-Security-Policy: on every answer, and no page of ours breaks it. (`enter` fails where one does.)"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from playwright.sync_api import expect

from tests.ingestion.factories import accept, upload

PACKAGE = {
    "version": "4.3.1",
    # what the registry of npm says of the package tus-js-client@4.3.1, and the files in its folder dist
    "integrity": "sha512-ZLeYmjrkaU1fUsKbIi8JML52uAocjEZtBx4DKjRrqzrZa0O4MYwT6db+oqePlspV+FxXJAyFBc/L5gwUi2OFsg==",
    "tus.min.js": "sha384-UlHjK3F7TCQCEUpnoa1ohMbP2oaWB3Aypv4gMo511vaZ86uUZ0Zv7UzZ0J1zRUT1",
    "tus.min.js.map": "sha384-lY9Q3aPgPv7jrzHbRRDaV/ecTrvFSSjdlsNZAyrbDCmBEydMU9YPZhxsklCn81Wm",
}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address", ["/login/", "/", "/livez", "/nowhere", "/admin/login/", "/api/v1/limits", "/static/ingestion/page.css"]
)
def test_every_answer_has_a_policy_that_lets_nothing_in_from_afar(client: Client, address: str) -> None:
    policy = client.get(address)["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.slow
def test_the_pages_of_the_api_work_under_theirs(enter) -> None:
    page = enter("/api/docs/")
    expect(page.get_by_text("Upload one zip, or one or many documents")).to_be_visible(timeout=20_000)
    # Redoc wants its maker's logo from afar, and has no option for that; the policy keeps it out.
    page = enter("/api/reference/", tolerated="cdn.redoc.ly")
    expect(page.get_by_role("heading", name="Upload one zip, or one or many documents")).to_be_visible(timeout=20_000)


@pytest.mark.slow
def test_the_admin_works_under_it(enter, ada, worker) -> None:
    get_user_model().objects.filter(pk=ada.pk).update(is_staff=True, is_superuser=True)
    intake = accept(ada, upload("a.txt", "a heron"), upload("bad.pdf", "%PDF-1.4 nothing"))
    worker.run()
    page = enter("/")
    expect(page.get_by_role("link", name="Admin")).to_be_visible()
    for address in (
        "/admin/",
        "/admin/docqueue/queueitem/",
        "/admin/docqueue/historyitem/",
        "/admin/docqueue/worker/",
        "/admin/ingestion/intake/",
        f"/admin/ingestion/intake/{intake.pk}/change/",
        "/admin/ingestion/document/",
        "/admin/auth/user/add/",
    ):
        answer = page.goto(address)
        assert answer
        assert answer.status == 200, address
        assert page.evaluate("window.violations") == [], address


def test_the_vendored_client_is_the_published_one(root: Path) -> None:
    folder = root / "ingestion/static/ingestion/vendor"
    for name in ("tus.min.js", "tus.min.js.map"):
        digest = base64.b64encode(hashlib.sha384((folder / name).read_bytes()).digest()).decode()
        assert f"sha384-{digest}" == PACKAGE[name]
    told = (folder / "README.md").read_text()
    assert f"tus-js-client {PACKAGE['version']}" in told
    assert PACKAGE["integrity"] in told
    assert "The MIT License" in (folder / "tus-js-client.LICENSE").read_text()
