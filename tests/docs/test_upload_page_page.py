"""docs/how-to/upload-page.md: what it says of addresses is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.test import Client, override_settings
from django.urls import NoReverseMatch, include, path, reverse

from config.urls import urlpatterns as site

without = [one for one in site if getattr(one, "app_name", "") != "uploads"]
urlpatterns = [*without, path("documents/", include("ingestion.web.urls"))]


@pytest.fixture
def ada(client: Client, db: None) -> Client:
    client.force_login(get_user_model().objects.create_user("ada"))
    return client


def test_the_page_works_under_another_address(root: Path, ada: Client) -> None:
    line = re.search(r"```python\n(.*)\n```", (root / "docs/how-to/upload-page.md").read_text())
    assert line
    assert eval(line[1]).pattern.match("documents/")
    with override_settings(ROOT_URLCONF=__name__):
        body = ada.get("/documents/").content.decode()
        assert 'action="/documents/"' in body
        assert 'data-news="/documents/uploads/news"' in body


def test_without_it_everything_else_works(ada: Client) -> None:
    urls = type("urls", (), {"urlpatterns": without})
    with override_settings(ROOT_URLCONF=urls):
        with pytest.raises(NoReverseMatch):
            reverse("uploads:home")
        assert ada.get("/").status_code == 404
        assert ada.get("/api/v1/limits").status_code == 200
        assert Client().get("/login/").status_code == 200


def test_what_it_shows_is_there(root: Path) -> None:
    page = root / "docs/how-to/upload-page.md"
    for name in re.findall(r"\]\(((?!http)[^)#]+)\)", page.read_text()):
        assert (page.parent / name).exists(), name
