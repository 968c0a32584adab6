"""Requests: their id, their log lines, who makes them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client, override_settings
from django.urls import path
from rest_framework.authtoken.models import Token
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from config.urls import urlpatterns as site
from docqueue import correlation


def bound(request: HttpRequest) -> HttpResponse:
    return JsonResponse(correlation.current())


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("on purpose")


@api_view(["GET"])
def bound_api(request: Request) -> Response:
    return Response(correlation.current())


urlpatterns = [*site, path("bound", bound), path("broken", broken), path("bound-api", bound_api)]


@pytest.fixture(autouse=True)
def _urls() -> Iterator[None]:
    with override_settings(ROOT_URLCONF=__name__):
        yield


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


def test_a_callers_request_id_is_kept_bound_and_returned(client: Client) -> None:
    response = client.get("/bound", headers={"X-Request-ID": "order-4711.a"})
    assert response["X-Request-ID"] == "order-4711.a"
    assert response.json()["correlation_id"] == "order-4711.a"


@pytest.mark.parametrize("given", ["", " ", "a b", "x" * 129, "-starts-badly", 'quote"', "new\u2028line"])
def test_a_missing_or_insane_request_id_is_replaced(client: Client, given: str) -> None:
    response = client.get("/bound", headers={"X-Request-ID": given})
    made = response["X-Request-ID"]
    assert made != given
    assert len(made) == 32
    assert response.json()["correlation_id"] == made


def test_every_request_gets_an_id_of_its_own(client: Client) -> None:
    assert client.get("/bound")["X-Request-ID"] != client.get("/bound")["X-Request-ID"]


@pytest.mark.parametrize(("address", "status"), [("/nowhere", 404), ("/broken", 500), ("/admin/", 302)])
def test_errors_and_redirects_carry_the_request_id_too(client: Client, address: str, status: int) -> None:
    response = client.get(address, headers={"X-Request-ID": "abc"})
    assert (response.status_code, response["X-Request-ID"]) == (status, "abc")


def test_nothing_stays_bound_after_a_request(client: Client) -> None:
    client.get("/broken")
    assert correlation.current() == {}


@pytest.mark.django_db
def test_the_user_who_is_logged_in_is_bound(client: Client) -> None:
    user = get_user_model().objects.create_user("ada")
    client.force_login(user)
    assert client.get("/bound").json()["user"] == str(user.pk)


@pytest.mark.django_db
def test_the_user_of_a_token_is_bound(client: Client) -> None:
    user = get_user_model().objects.create_user("ada")
    token = Token.objects.create(user=user)
    response = client.get("/bound-api", headers={"Authorization": f"Token {token.key}"})
    assert response.json()["user"] == str(user.pk)


@pytest.mark.django_db
def test_the_api_lets_nobody_in_without_login_or_token(client: Client) -> None:
    assert client.get("/bound-api").status_code == 401
    assert client.get("/bound-api", headers={"Authorization": "Token wrong"}).status_code == 401


def test_each_request_writes_one_line_with_its_id(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="config.request"):
        client.get("/bound", headers={"X-Request-ID": "abc"})
        client.get("/livez")
    lines = [record for record in caplog.records if record.name == "config.request"]
    assert [(r.path, r.status, r.method) for r in lines] == [("/bound", 200, "GET")]  # type: ignore[attr-defined]


def test_a_log_line_is_json_with_everything_that_is_bound(capsys: pytest.CaptureFixture[str]) -> None:
    from config.logging import _dict_config

    formatter = logging.config.DictConfigurator(  # type: ignore[attr-defined]
        _dict_config("INFO", people=False)
    ).configure_formatter(_dict_config("INFO", people=False)["formatters"]["lines"])
    record = logging.LogRecord("some.module", logging.INFO, __file__, 1, "item %s failed", (7,), None)
    record.docqueue = {"event": "item_failed", "item": 7}
    record.attempt = 2
    with correlation.bind(correlation_id="abc", user="3", intake="12"):
        line = json.loads(formatter.format(record))
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "item_failed",
        "item": 7,
        "attempt": 2,
        "level": "info",
        "logger": "some.module",
        "correlation_id": "abc",
        "user": "3",
        "intake": "12",
    }
