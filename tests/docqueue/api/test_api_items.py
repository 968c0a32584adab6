"""Looking at items, cancelling, requeueing, and the dead-letter list."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from docqueue.models import AuditEntry, Checkpoint, QueueItem
from docqueue.states import Status
from tests.docqueue.api.callers import assert_problem
from tests.docqueue.helpers import T0

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]


@pytest.fixture
def dead(service, operation):
    """Make a dead item."""

    def make(document_id=None, code="broken", **options):
        new = service.enqueue(document_id, operation, **options)
        service.mark_failed(
            service.mark_in_progress(new), "it broke", code=code, traceback="Traceback …", retryable=False
        )
        return new.id

    return make


def test_an_item_tells_its_state_and_its_failed_attempts(person, dead):
    answer = person(staff=True).get(f"/api/v1/items/{dead(document_id='d7')}").json()

    assert (answer["status"], answer["document_id"], answer["error_code"]) == ("dead", "d7", "broken")
    assert answer["explain"] == "Failed for good: it broke. Requeue it or discard it."
    assert [(a["attempt"], a["outcome"], a["code"], a["message"]) for a in answer["attempts"]] == [
        (1, "failed", "broken", "it broke")
    ]
    assert (answer["progress"], answer["cancelling"]) == (None, False)


def test_a_breakers_probe_is_an_attempt_from_one(person, dead, service, operation):
    running = service.mark_in_progress(service.enqueue(None, operation)).id
    gone = dead()
    QueueItem.objects.update(attempt=0)
    ann = person(staff=True)
    assert ann.get(f"/api/v1/items/{running}").json()["attempt"] == 1
    assert ann.get(f"/api/v1/items/{gone}").json()["attempt"] == 1
    assert ann.get("/api/v1/dead-letters").json()["results"][0]["attempt"] == 1
    waiting = service.enqueue(None, operation).id
    assert ann.get(f"/api/v1/items/{waiting}").json()["attempt"] == 0


def test_a_finished_item_can_still_be_looked_at(person, service, operation):
    item = service.mark_in_progress(service.enqueue(None, operation))
    service.mark_completed(item, result={"pages": 3})

    answer = person("view_payload", staff=True).get(f"/api/v1/items/{item.id}").json()

    assert (answer["status"], answer["result"], answer["explain"]) == ("completed", {"pages": 3}, "Completed.")


def test_payload_metadata_and_result_need_their_permission(person, service, operation):
    new = service.enqueue(None, operation, payload={"page": 1}, metadata={"tenant": "t"})

    without = person("view_queueitem", name="bob").get(f"/api/v1/items/{new.id}").json()
    with_it = person("view_queueitem", "view_payload", name="cid").get(f"/api/v1/items/{new.id}").json()

    assert {"payload", "metadata", "result"}.isdisjoint(without)
    assert (with_it["payload"], with_it["metadata"]) == ({"page": 1}, {"tenant": "t"})


def test_secrets_in_payload_metadata_and_result_are_hidden_from_everybody(person, service, operation):
    new = service.enqueue(None, operation, payload={"api_key": "k", "page": 1}, metadata={"password": "p"})
    service.mark_completed(service.mark_in_progress(new), result={"token": "t"})
    shown = person("view_queueitem", "view_payload").get(f"/api/v1/items/{new.id}").json()
    assert shown["payload"] == {"api_key": "•••", "page": 1}
    assert shown["metadata"]["password"] == shown["result"]["token"] == "•••"


@pytest.mark.parametrize("item_id", [1, 2**63 - 1, 2**63, 10**40])
def test_an_unknown_id_is_refused_by_every_verb(person, item_id):
    ann = person("view_queueitem", "cancel_item", "requeue_item")

    assert_problem(ann.get(f"/api/v1/items/{item_id}"), 404, "item_not_found")
    assert_problem(ann.post_json(f"/api/v1/items/{item_id}/cancel"), 404, "item_not_found")
    assert_problem(ann.post_json(f"/api/v1/items/{item_id}/requeue"), 404, "item_not_found")


def test_cancel_ends_an_item_and_writes_down_who_and_why(person, service, operation):
    new = service.enqueue(None, operation)

    answer = person("cancel_item").post_json(f"/api/v1/items/{new.id}/cancel", {"reason": "by mistake"})

    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert service.get_status(new.id) == Status.CANCELLED
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.item_id, entry.reason) == ("ann", "cancel", new.id, "by mistake")


def test_cancel_of_a_running_item_is_accepted_and_asks_its_handler(person, service, operation):
    item = service.mark_in_progress(service.enqueue(None, operation))

    answer = person("cancel_item").post_json(f"/api/v1/items/{item.id}/cancel")

    assert (answer.status_code, answer.json()["status"], answer.json()["cancelling"]) == (202, "in_progress", True)
    assert answer.json()["cancel_requested_at"]


def test_the_second_to_cancel_is_told_that_it_is_cancelled_already(person, service, operation):
    new = service.enqueue(None, operation)
    service.cancel(new, by="bob")

    problem = assert_problem(
        person("cancel_item").post_json(f"/api/v1/items/{new.id}/cancel"), 409, "illegal_transition"
    )

    assert "cancelled" in problem["detail"]
    assert AuditEntry.objects.count() == 1


def test_requeue_puts_a_dead_item_back(person, service, dead):
    item = dead()

    answer = person("requeue_item").post_json(f"/api/v1/items/{item}/requeue", {"reason": "fixed"})

    assert (answer.status_code, answer.json()["status"], answer.json()["attempt"]) == (200, "pending", 0)
    assert AuditEntry.objects.get().action == "requeue"


def test_requeue_later_without_a_reset_keeps_the_attempts(person, dead):
    answer = person("requeue_item").post_json(
        f"/api/v1/items/{dead()}/requeue", {"delay_seconds": 60, "reset_attempts": False}
    )
    assert (answer.json()["wait_reason"], answer.json()["attempt"]) == ("delayed", 1)


@pytest.mark.parametrize("body", [{"delay_seconds": -1}, {"delay_seconds": "x"}, {"reason": "a\0"}, {"reset": True}])
def test_a_bad_requeue_changes_nothing(person, service, dead, body):
    item = dead()

    answer = person("requeue_item").post_json(f"/api/v1/items/{item}/requeue", body)

    assert_problem(answer, 400, "invalid_option" if "delay_seconds" in body else "invalid_request")
    assert service.get_status(item) == Status.DEAD
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", "items/1"), ("post", "items/1/cancel"), ("post", "items/1/requeue"), ("get", "dead-letters"),
     ("get", "queue/stats"), ("post", "queue/process")],
)  # fmt: skip
def test_strangers_are_asked_to_log_in_and_others_need_the_permission(anonymous, person, method, path):
    assert_problem(getattr(anonymous, method)(f"/api/v1/{path}"), 401, "not_authenticated")
    assert_problem(getattr(person(), method)(f"/api/v1/{path}"), 403, "permission_denied")


def test_staff_see_items_but_need_the_permission_to_change_them(person, dead):
    ann, item = person(staff=True), dead()
    assert ann.get(f"/api/v1/items/{item}").status_code == 200
    assert_problem(ann.post_json(f"/api/v1/items/{item}/cancel"), 403, "permission_denied")
    assert_problem(ann.post_json(f"/api/v1/items/{item}/requeue"), 403, "permission_denied")


def test_dead_letters_are_paged_newest_first_without_a_gap_or_a_repeat(person, dead):
    made = [dead() for _ in range(5)]
    # Died in the same instant: the key must still tell them apart.
    QueueItem.objects.filter(pk__in=made[1:4]).update(died_at="2030-01-01T00:00:00Z")
    ann, seen, url = person("view_queueitem"), [], "/api/v1/dead-letters?limit=2"

    while url:
        page = ann.get(url).json()
        assert len(page["results"]) <= 2
        seen += [entry["id"] for entry in page["results"]]
        url = page["next"]

    assert sorted(seen) == made
    assert seen[:3] == sorted(made[1:4], reverse=True)


def test_dead_letters_are_filtered_by_queue_and_operation(person, dead, service, operation):
    here, _ = dead(queue="here"), dead(queue="there")
    service.enqueue(None, operation, queue="here")
    ann = person("view_queueitem")

    found = ann.get(f"/api/v1/dead-letters?queue=here&operation={operation}").json()

    assert [entry["id"] for entry in found["results"]] == [here]
    assert found["next"] is None
    assert ann.get("/api/v1/dead-letters?operation=nothing").json()["results"] == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "limit=x", "limit=%C2%B2", "cursor=x", "cursor=1", "cursor=9e9-1", "queue=%00",
              f"cursor={10**30}-1"],
)  # fmt: skip
def test_a_bad_page_of_dead_letters_is_refused(person, query):
    problem = assert_problem(person(staff=True).get(f"/api/v1/dead-letters?{query}"), 400, "invalid_request")
    assert problem["errors"][0]["field"] == query.split("=", maxsplit=1)[0]


def test_the_dead_letter_list_counts_nothing_and_asks_one_query(person, dead):
    for _ in range(5):
        dead()
    ann = person(staff=True)
    ann.get("/api/v1/dead-letters")  # session and user are read here too
    with CaptureQueriesContext(
        connection,
    ) as captured:
        ann.get("/api/v1/dead-letters?limit=3")
    mine = [q["sql"] for q in captured if "docqueue_item" in q["sql"]]
    assert len(mine) == 1
    assert "COUNT(" not in mine[0].upper()


def test_an_item_tells_the_steps_it_has_behind_it_and_a_requeue_can_clear_them(person, dead):
    item = dead()
    Checkpoint.objects.create(item_id=item, name="ocr", result={"text": "secret"}, created_at=T0)
    caller = person("requeue_item", staff=True)
    answer = caller.get(f"/api/v1/items/{item}")
    assert answer.json()["steps"] == [{"name": "ocr", "created_at": "2026-03-04T12:00:00Z"}]
    assert "secret" not in answer.content.decode()
    assert caller.post_json(f"/api/v1/items/{item}/requeue", {"clear_steps": True}).json()["steps"] == []
