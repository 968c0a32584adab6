"""Throttles: by caller and by what is done; what is refused counts, too, and says when to come back."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import override_settings

from config.environment import PROJECT_FIELDS, SCOPES, throttle_rate
from config.settings import REST_FRAMEWORK
from docqueue.api import throttles
from tests.docqueue.api.callers import JsonClient, assert_problem

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]
API = "/api/v1"


@pytest.fixture
def clock(monkeypatch):
    """The throttles' time, which stands still unless it is moved; and nothing has been asked yet."""

    class Clock:
        now = 1_000_000_000.0

        def time(self) -> float:
            return self.now

    standing = Clock()
    monkeypatch.setattr(throttles, "time", standing)
    cache.clear()
    yield standing
    cache.clear()


@pytest.fixture
def rates(settings, clock):
    def set_rates(**given):
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": given}

    return set_rates


def test_who_asks_too_often_is_told_when_to_come_back_and_then_answered(person, rates, clock):
    rates(read="3/minute")
    ann = person(staff=True)
    clock.now = 60 * 1000 + 20.0
    for _ in range(3):
        assert ann.get(f"{API}/queues").status_code == 200
    refused = ann.get(f"{API}/queues")
    body = assert_problem(refused, 429, "throttled")
    assert (refused["Retry-After"], body["retryable"]) == ("40", True)
    clock.now += 40
    assert ann.get(f"{API}/queues").status_code == 200


def test_each_user_and_each_kind_of_request_counts_for_itself(person, rates, operation):
    rates(read="1/minute", write="1/minute", bulk="1/minute")
    ann, bob = person("add_queueitem", staff=True), person(staff=True, name="bob")
    one = {"operation": operation}
    assert ann.get(f"{API}/items").status_code == 200
    assert ann.get(f"{API}/items").status_code == 429
    assert bob.get(f"{API}/items").status_code == 200
    assert ann.post_json(f"{API}/items", one).status_code == 201
    assert ann.post_json(f"{API}/items", one).status_code == 429
    assert ann.post_json(f"{API}/items/bulk", {"items": [one]}).status_code == 201
    assert_problem(ann.post_json(f"{API}/items/bulk", {"items": [one]}), 429, "throttled")


def test_strangers_are_counted_by_address_and_refused_ones_as_well(person, rates):
    rates(anonymous="2/minute")
    here, there = JsonClient(REMOTE_ADDR="192.0.2.1"), JsonClient(REMOTE_ADDR="192.0.2.2")
    for _ in range(2):
        assert here.get(f"{API}/items").status_code == 401
    assert_problem(here.get(f"{API}/items", headers={"Authorization": "Token guessed"}), 429, "throttled")
    assert there.get(f"{API}/items").status_code == 401
    assert person(staff=True).get(f"{API}/items").status_code == 200


def test_nobody_gets_more_by_saying_to_come_from_elsewhere(rates):
    rates(anonymous="1/minute")
    assert JsonClient().get(f"{API}/items", headers={"X-Forwarded-For": "198.51.100.1"}).status_code == 401
    assert JsonClient().get(f"{API}/items", headers={"X-Forwarded-For": "198.51.100.2"}).status_code == 429


def test_a_scope_without_a_rate_is_not_limited(person, rates):
    rates(read=None, anonymous="1/minute")
    ann = person(staff=True)
    assert {ann.get(f"{API}/errors").status_code for _ in range(20)} == {200}


def test_the_scopes_of_the_project_are_those_of_the_throttles_and_a_page_that_polls_is_far_below():
    assert SCOPES == throttles.SCOPES
    defaults = {field.name: field.default for field in PROJECT_FIELDS}
    assert set(REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]) == set(SCOPES)
    assert int(throttle_rate(defaults, "read").partition("/")[0]) >= 20 * 60


@override_settings(CACHES={"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "counts"}})
def test_the_database_can_count_for_all_processes(person, rates):
    from django.core.management import call_command

    call_command("createcachetable", verbosity=0)
    rates(read="1/minute")
    ann = person(staff=True)
    assert [ann.get(f"{API}/errors").status_code for _ in range(2)] == [200, 429]
