"""Bulk operations and pauses over HTTP."""

import pytest

from docqueue.maintenance import bulk
from docqueue.models import AuditEntry, BulkOperation, Queue
from docqueue.states import Status
from tests.docqueue.api.callers import assert_problem

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]
BULK = "/api/v1/queue/bulk"


@pytest.fixture
def dead(service, operation):
    """Make a dead item."""

    def make(**options):
        new = service.enqueue(None, operation, **options)
        service.move_to_dead(service.mark_in_progress(new), "it broke", code="broken")
        return new.id

    return make


def test_the_answer_comes_before_the_work(person, service, dead):
    ids = [dead(), dead()]
    ann = person("requeue_item", "view_queueitem")

    answer = ann.post_json(BULK, {"action": "requeue", "filter": {"status": "dead"}, "reason": "fixed"})

    assert answer.status_code == 202
    assert answer["Location"] == answer.json()["url"]
    assert {k: answer.json()[k] for k in ("state", "total", "done", "percent", "actor", "reason")} == {
        "state": "running",
        "total": 2,
        "done": 0,
        "percent": 0,
        "actor": "ann",
        "reason": "fixed",
    }
    assert {service.get_status(i) for i in ids} == {Status.DEAD}

    bulk.run("default")

    seen = ann.get(answer.json()["url"]).json()
    assert (seen["state"], seen["done"], seen["percent"]) == ("done", 2, 100)
    assert {service.get_status(i) for i in ids} == {Status.PENDING}


def test_it_can_be_aborted_by_who_may_start_it(person, dead):
    dead()
    ann = person("cancel_item")
    url = ann.post_json(BULK, {"action": "discard", "filter": {"error_code": "broken"}}).json()["url"]

    assert_problem(person("requeue_item", name="bob").post_json(f"{url}/abort"), 403, "permission_denied")
    answer = ann.post_json(f"{url}/abort", {"reason": "wrong queue"})

    assert (answer.status_code, answer.json()["state"]) == (200, "aborted")
    assert_problem(ann.post_json(f"{url}/abort"), 409, "illegal_transition")
    assert AuditEntry.objects.order_by("-id")[0].reason == "wrong queue"


@pytest.mark.parametrize(
    ("action", "permission"),
    [
        ("requeue", "requeue_item"),
        ("cancel", "cancel_item"),
        ("discard", "cancel_item"),
        ("purge", "delete_historyitem"),
        ("priority", "change_queueitem"),
    ],
)
def test_each_action_needs_its_permission(person, action, permission):
    body = {"action": action, "everything": True} | ({"priority": "high"} if action == "priority" else {})
    assert_problem(person(staff=True, name="bob").post_json(BULK, body), 403, "permission_denied")
    assert not BulkOperation.objects.exists()
    assert person(permission).post_json(BULK, body).status_code == 202


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"action": "explode"}, "invalid_request"),
        ({}, "invalid_request"),
        ({"action": "requeue"}, "invalid_bulk"),
        ({"action": "requeue", "filter": []}, "invalid_bulk"),
        ({"action": "requeue", "filter": "dead"}, "invalid_bulk"),
        ({"action": "requeue", "filter": {"stauts": "dead"}}, "invalid_bulk"),
        ({"action": "requeue", "filter": {"by": "root"}}, "invalid_bulk"),
        ({"action": "requeue", "filter": {"status": "completed"}}, "invalid_bulk"),
        ({"action": "requeue", "filter": {"status": {"a": 1}}}, "invalid_bulk"),
        ({"action": "requeue", "filter": {"enqueued_before": "2026-02-30T00:00:00Z"}}, "invalid_bulk"),
        ({"action": "requeue", "filter": {"enqueued_before": 7}}, "invalid_bulk"),
        ({"action": "requeue", "filter": {"queue": 7}}, "invalid_key"),
        ({"action": "requeue", "filter": {"queue": "\0"}}, "invalid_key"),
        ({"action": "requeue", "fitler": {}}, "invalid_request"),
    ],
)
def test_what_can_not_be_done_is_refused(person, body, code):
    assert_problem(person("requeue_item").post_json(BULK, body), 400, code)
    assert not BulkOperation.objects.exists()


def test_they_are_listed_newest_first_page_by_page_without_a_gap_or_a_repeat(person, service):
    made = [service.bulk("requeue", everything=True, by="ada", reason=str(n)).pk for n in range(5)]
    ann, seen, url = person("view_queueitem"), [], f"{BULK}?limit=2"
    while url:
        answer = ann.get(url).json()
        assert len(answer["results"]) <= 2
        seen += [(found["id"], found["actor"], found["reason"]) for found in answer["results"]]
        url = answer["next"]
        service.bulk("requeue", everything=True)  # what comes meanwhile moves no page
    assert seen == [(pk, "ada", str(n)) for n, pk in reversed(list(enumerate(made)))]


def test_the_list_is_narrowed_by_state_and_action_on_every_page(person, service):
    ended = service.bulk("discard", everything=True)
    service.bulk_abort(ended.pk)
    running = [service.bulk("priority", everything=True, priority=7).pk for _ in range(2)]
    ann = person(staff=True)
    assert [found["id"] for found in ann.get(f"{BULK}?state=aborted").json()["results"]] == [ended.pk]
    first = ann.get(f"{BULK}?state=running&action=priority&limit=1").json()
    assert [(found["id"], found["priority"]) for found in first["results"]] == [(running[1], 7)]
    assert [found["id"] for found in ann.get(first["next"]).json()["results"]] == running[:1]
    assert ann.get(f"{BULK}/{ended.pk}").json()["priority"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "cursor=x", "cursor=%C2%B2", f"cursor={10**30}", "state=dead",
                                   "action=%00"])  # fmt: skip
def test_a_bad_page_is_refused(person, query):
    assert_problem(person(staff=True).get(f"{BULK}?{query}"), 400, "invalid_request")


def test_the_list_is_for_those_who_may_see_the_queue(person, anonymous):
    assert_problem(person("requeue_item").get(BULK), 403, "permission_denied")
    assert anonymous.get(BULK).status_code in (401, 403)


def test_a_page_of_the_list_takes_one_statement(person, service, django_assert_num_queries):
    ann = person(staff=True)
    for _ in range(3):
        service.bulk("requeue", everything=True)
    with django_assert_num_queries(3):  # the session and the user, and the page
        assert len(ann.get(BULK).json()["results"]) == 3


def test_who_is_nobody_may_nothing(anonymous):
    for path in (BULK, f"{BULK}/1/abort", "/api/v1/queues/a/pause", "/api/v1/queues/a/resume"):
        assert anonymous.post_json(path, {}).status_code in (401, 403)
    assert anonymous.get(f"{BULK}/1").status_code in (401, 403)


@pytest.mark.parametrize("bulk_id", [4711, 2**63, 10**40])
def test_an_unknown_one_is_not_found(person, bulk_id):
    ann = person("requeue_item", "view_queueitem")
    assert_problem(ann.get(f"{BULK}/{bulk_id}"), 404, "bulk_not_found")
    assert_problem(ann.post_json(f"{BULK}/{bulk_id}/abort"), 404, "bulk_not_found")


def test_a_queue_is_paused_and_resumed(person, service, operation):
    ann = person("change_queue")
    item = service.enqueue(None, operation)

    answer = ann.post_json("/api/v1/queues/demo/pause", {"reason": "the archive moves"}).json()

    assert (answer["queue"], answer["paused"], answer["reason"]) == ("demo", True, "the archive moves")
    assert service.explain(item) == "Waiting: queue demo is paused (the archive moves)."
    assert service.claim(queues=["demo"]) == []

    assert ann.post_json("/api/v1/queues/demo/resume").json() == {
        "queue": "demo",
        "paused": False,
        "paused_at": None,
        "reason": "",
    }
    assert len(service.claim(queues=["demo"])) == 1
    assert [(e.action, e.actor) for e in AuditEntry.objects.order_by("id")] == [
        ("pause_queue", "ann"),
        ("resume_queue", "ann"),
    ]


def test_pausing_needs_its_permission_and_a_name_that_a_queue_can_have(person):
    assert_problem(person(staff=True, name="bob").post_json("/api/v1/queues/a/pause"), 403, "permission_denied")
    assert_problem(person("change_queue").post_json(f"/api/v1/queues/{'a' * 65}/pause"), 400, "invalid_key")
    assert not Queue.objects.exists()
