"""The cron endpoint, statistics and health over HTTP."""

import subprocess
import sys

import pytest
from django.db import connections

from docqueue.api import views
from docqueue.states import Status
from tests.docqueue.api.callers import assert_problem
from tests.docqueue.helpers import in_threads

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]
URL = "/api/v1/queue/process"
TOKEN = "s3cret-tøken"


@pytest.fixture
def token(configure):
    configure(PROCESS_TOKEN=TOKEN)
    return TOKEN.encode().decode("latin-1")  # as a header carries it


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("style", ["Authorization", "X-Queue-Token"])
def test_the_token_opens_the_endpoint(anonymous, token, style):
    value = f"Bearer {token}" if style == "Authorization" else token

    answer = anonymous.post_json(URL, "", **{style: value})

    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["processed"], body["completed"], body["failed"], body["retried"], body["dead"]) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("given", ["Bearer wrong", "Bearer ", "bearer s3cret-token"])
def test_a_wrong_token_is_refused(anonymous, token, given):
    answer = anonymous.post_json(URL, "", Authorization=given)
    problem = assert_problem(answer, 401, "wrong_token")
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert "PROCESS_TOKEN" in problem["hint"]
    assert TOKEN not in answer.content.decode()


@pytest.mark.parametrize("given", ["", "x"])
def test_without_a_token_in_the_settings_no_token_opens_the_endpoint(anonymous, configure, given):
    configure(PROCESS_TOKEN="")
    assert_problem(anonymous.post_json(URL, "", **{"X-Queue-Token": given}), 401, "wrong_token")


def test_the_token_opens_nothing_else(anonymous, token):
    for path in ("/api/v1/queue/stats", "/api/v1/items/1", "/api/v1/dead-letters", "/api/v1/health"):
        assert_problem(anonymous.get(path, headers={"X-Queue-Token": token}), 401, "not_authenticated")


@pytest.mark.django_db(transaction=True)
def test_staff_and_people_with_the_permission_may_start_a_run(person):
    assert person(staff=True, name="bob").post_json(URL, "").status_code == 200
    assert person("process_queue", name="cid").post_json(URL, {"limit": 5}).status_code == 200


def test_a_session_needs_the_csrf_token(person):
    ann = person("process_queue")
    ann.handler.enforce_csrf_checks = True
    assert_problem(ann.post_json(URL, ""), 403, "csrf_failed")


@pytest.mark.parametrize("body", [{"limit": 0}, {"limit": "many"}, {"limit": 1.5}, {"limt": 1}, [1]])
def test_a_bad_limit_is_refused(person, body):
    assert_problem(person(staff=True).post_json(URL, body), 400, "invalid_request")


def test_the_limit_is_bounded_by_the_settings(person, configure, monkeypatch):
    configure(PROCESS_LIMIT=7)
    asked = []

    def noted(limit):
        asked.append(limit)
        return once.ProcessResult(**dict.fromkeys(once.ProcessResult.__dataclass_fields__, 0))

    from docqueue.worker import once

    monkeypatch.setattr(once, "process_document_queue", noted)
    ann = person(staff=True)
    for body in ({}, {"limit": 3}, {"limit": 5000}, {"limit": None}):
        assert ann.post_json(URL, body).status_code == 200
    assert asked == [7, 3, 7, 7]


def test_only_post_is_taken(person):
    answer = person(staff=True).get(URL)
    assert_problem(answer, 405, "method_not_allowed")
    assert "POST" in answer["Allow"]


def test_the_run_is_outside_of_atomic_requests():
    view = views.ProcessView.as_view()
    assert set(connections) <= view._non_atomic_requests


@pytest.mark.django_db(transaction=True)
def test_two_overlapping_runs_complete_each_item_once(person, service, monkeypatch):
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)  # what threads' connections read
    made = [service.enqueue(None, "test.effect") for _ in range(12)]
    callers = [person(staff=True, name=name) for name in ("bob", "cid")]

    answers = in_threads(2, lambda n: callers[n].post_json(URL, {"limit": 12}).json())

    assert sum(a["completed"] for a in answers) == 12, answers
    assert {service.get_status(new) for new in made} == {Status.COMPLETED}


def test_what_a_spawned_executor_reads_first_needs_no_django_set_up(root):
    done = subprocess.run(
        [sys.executable, "-c", "import docqueue.worker.child"], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_stats_tell_depths_and_the_queue_that_nobody_serves(person, service, operation):
    service.enqueue(None, operation)
    body = person("view_queueitem").get("/api/v1/queue/stats").json()

    assert body["total"]["pending"] == 1
    assert body["queues"]["demo"]["pending"] == 1
    assert body["unserved"] == ["demo"]
    assert body["hints"] == ["No worker serves queue demo: run manage.py run_queue_worker --queue demo"]


def test_health_is_for_anybody_who_logged_in(anonymous, person, service, operation):
    assert_problem(anonymous.get("/api/v1/health"), 401, "not_authenticated")
    service.enqueue(None, operation)
    answer = person().get("/api/v1/health")
    assert (answer.status_code, answer.json()["healthy"]) == (503, False)
    assert any("run_queue_worker --queue demo" in hint for hint in answer.json()["details"]["hints"])


PROBE = URL.replace("process", "selftest")


@pytest.mark.django_db(transaction=True)
def test_a_probe_that_nobody_takes_is_told_with_503_and_why(anonymous, token):
    answer = anonymous.post_json(PROBE, {"seconds": 0.1}, **{"X-Queue-Token": token})
    assert answer.status_code == 503, answer.content
    assert (answer.json()["ok"], "run_queue_worker" in answer.json()["why"]) == (False, True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("body", [{"seconds": 0}, {"seconds": 31}, {"queue": ""}, {"other": 1}])
def test_a_bad_probe_is_refused(person, body):
    answer = person("process_queue").post_json(PROBE, body)
    assert answer.status_code == 400, answer.content
