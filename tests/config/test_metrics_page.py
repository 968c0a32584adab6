"""/metrics is for Prometheus, which must say who it is."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from rest_framework.authtoken.models import Token

pytestmark = pytest.mark.django_db


def get(user_fields: dict[str, bool] | None) -> tuple[int, str]:
    headers = {}
    if user_fields is not None:
        user = get_user_model().objects.create_user("prometheus", **user_fields)
        headers["Authorization"] = f"Token {Token.objects.create(user=user).key}"
    answer = Client().get("/metrics", headers=headers)
    return answer.status_code, answer.content.decode()


def test_staff_get_the_gauges_of_the_queue() -> None:
    status, text = get({"is_staff": True})
    assert status == 200
    assert "# TYPE docqueue_items gauge" in text


@pytest.mark.parametrize(("user", "refusal"), [(None, 401), ({"is_staff": False}, 403)])
def test_nobody_else_does(user: dict[str, bool] | None, refusal: int) -> None:
    status, text = get(user)
    assert status == refusal
    assert "docqueue_items" not in text
