"""The link that `make run` prints."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.test import Client

from config.login_links import login_path

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> User:
    return get_user_model().objects.create_superuser("admin")


def test_the_link_logs_in_and_leads_to_the_uploads(client: Client, admin: User) -> None:
    response = client.get(login_path(admin), follow=True)
    assert response.status_code == 200
    assert response.redirect_chain == [("/", 302)]
    assert response.context["user"] == admin


def test_the_link_works_once(client: Client, admin: User) -> None:
    link = login_path(admin)
    client.get(link)
    second = Client().get(link)
    assert second.status_code == 410
    assert "works once" in second.content.decode()
    assert "_auth_user_id" not in second.client.session  # type: ignore[attr-defined]


def test_a_link_ends_when_the_password_changes_or_the_account_is_closed(client: Client, admin: User) -> None:
    link = login_path(admin)
    admin.set_password("another")
    admin.save()
    assert client.get(link).status_code == 410
    link = login_path(admin)
    admin.is_active = False
    admin.save()
    assert client.get(link).status_code == 410


@pytest.mark.parametrize("link", ["/login/AAAA/x-y/", "/login/!!/a-b/", "/login/OTk5OTk5/abc-def/"])
def test_a_link_that_was_made_up_is_refused(client: Client, admin: User, link: str) -> None:
    assert client.get(link).status_code == 410
