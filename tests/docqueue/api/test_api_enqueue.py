"""POST items: what is taken, and everything that is refused with nothing queued."""

import pytest

from docqueue.models import QueueItem
from docqueue.states import Status
from tests.docqueue.api.callers import assert_problem

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]
URL = "/api/v1/items"


@pytest.fixture
def ann(person):
    return person("add_queueitem", name="ann")


def test_an_item_is_enqueued_and_the_answer_says_where_to_look(ann, operation, service):
    answer = ann.post_json(URL, {"operation": operation, "document_id": 7, "priority": "high", "payload": {"a": [1]}})

    assert answer.status_code == 201
    body = answer.json()
    item = QueueItem.objects.get()
    assert (item.pk, item.document_id, item.priority, item.queue) == (body["id"], "7", 50, "demo")
    assert item.payload == {"a": [1]}
    assert body["status"] == Status.PENDING
    assert body["created"] is True
    assert body["url"] == answer["Location"] == f"/api/v1/items/{item.pk}"
    assert "run_queue_worker" in body["explain"]


def test_a_second_item_under_one_unique_key_is_the_first_one(ann, operation):
    first = ann.post_json(URL, {"operation": operation, "unique_key": "k"})
    second = ann.post_json(URL, {"operation": operation, "unique_key": "k"})

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() | {"created": True} == first.json()
    assert QueueItem.objects.count() == 1


def test_a_delay_and_a_later_start_make_the_item_wait(ann, operation):
    delayed = ann.post_json(URL, {"operation": operation, "delay_seconds": 60}).json()
    later = ann.post_json(URL, {"operation": operation, "run_after": "2199-01-31T12:00:00+02:00"}).json()

    assert {delayed["wait_reason"], later["wait_reason"]} == {"delayed"}


def test_the_caller_can_not_pass_for_somebody_else_in_the_metadata(ann, operation):
    ann.post_json(URL, {"operation": operation, "metadata": {"user": "999999", "tenant": "t"}})

    metadata = QueueItem.objects.get().metadata
    assert metadata["tenant"] == "t"
    assert metadata["user"] == str(ann.session["_auth_user_id"])


def test_an_item_without_a_document_may_be_free_of_ordering(ann, operation):
    ann.post_json(URL, {"operation": operation, "document_id": "d", "ordering_key": None})
    assert QueueItem.objects.get().ordering_key is None


REFUSED = {
    "unknown operation": ({"operation": "api.dem"}, 400, "unknown_operation"),
    "no operation": ({}, 400, "invalid_item"),
    "operation that is a list": ({"operation": ["api.demo"]}, 400, "invalid_request"),
    "empty document": ({"document_id": ""}, 400, "invalid_key"),
    "over-long document": ({"document_id": "x" * 256}, 400, "invalid_key"),
    "document with NUL": ({"document_id": "a\0b"}, 400, "invalid_key"),
    "document with half a character": ({"document_id": "\ud800"}, 400, "invalid_key"),
    "document that is a list": ({"document_id": [1]}, 400, "invalid_key"),
    "document that is a truth": ({"document_id": True}, 400, "invalid_key"),
    "empty unique key": ({"unique_key": ""}, 400, "invalid_key"),
    "over-long unique key": ({"unique_key": "x" * 256}, 400, "invalid_key"),
    "unique key that is a number": ({"unique_key": 5}, 400, "invalid_key"),
    "empty ordering key": ({"ordering_key": ""}, 400, "invalid_key"),
    "empty queue": ({"queue": ""}, 400, "invalid_key"),
    "over-long queue": ({"queue": "q" * 65}, 400, "invalid_key"),
    "queue that is an object": ({"queue": {}}, 400, "invalid_key"),
    "payload over 256 KiB": ({"payload": {"a": "x" * 262_144}}, 413, "payload_too_large"),
    "payload that is a list": ({"payload": [1]}, 400, "payload_not_json"),
    "payload with NUL": ({"payload": {"a": "\0"}}, 400, "payload_not_json"),
    "payload with half a character": ({"payload": {"a": "\ud800"}}, 400, "payload_not_json"),
    "metadata that is a list": ({"metadata": [1, 2]}, 400, "payload_not_json"),
    "priority too high": ({"priority": 101}, 400, "invalid_priority"),
    "priority too low": ({"priority": -101}, 400, "invalid_priority"),
    "priority that is a fraction": ({"priority": 1.5}, 400, "invalid_priority"),
    "priority that is a truth": ({"priority": True}, 400, "invalid_priority"),
    "priority that is no word": ({"priority": "urgent"}, 400, "invalid_priority"),
    "priority that is a list": ({"priority": [1]}, 400, "invalid_priority"),
    "negative delay": ({"delay_seconds": -1}, 400, "invalid_option"),
    "delay that is a word": ({"delay_seconds": "soon"}, 400, "invalid_option"),
    "start without a time zone": ({"run_after": "2030-01-31T12:00:00"}, 400, "invalid_option"),
    "start on no day": ({"run_after": "2030-02-31T12:00:00Z"}, 400, "invalid_option"),
    "start beyond all calendars": ({"run_after": "9999-12-31T23:59:59-23:59"}, 400, "invalid_option"),
    "start that is a number": ({"run_after": 5}, 400, "invalid_option"),
    "start and delay": ({"run_after": "2030-01-31T12:00:00Z", "delay_seconds": 1}, 400, "invalid_option"),
    "parent that there is not": ({"after": [4711]}, 400, "unknown_parent"),
    "parent beyond all numbers": ({"after": [10**30]}, 400, "unknown_parent"),
    "parent that is a word": ({"after": ["7"]}, 400, "invalid_option"),
    "parents that are none": ({"after": 7}, 400, "invalid_option"),
    "parent that may explode": ({"after": [], "if_parent_fails": "explode"}, 400, "invalid_request"),
    "empty tenant": ({"tenant": ""}, 400, "invalid_key"),
    "tenant that is a number": ({"tenant": 5}, 400, "invalid_key"),
    "over-long limit": ({"limit_key": "x" * 256}, 400, "invalid_key"),
    "limit that is a list": ({"limit_key": ["smtp"]}, 400, "invalid_key"),
    "limit that the settings do not have": ({"limit_key": "nothing"}, 400, "invalid_option"),
    "concurrency key that is an object": ({"concurrency_key": {}}, 400, "invalid_key"),
    "no place under the key": ({"concurrency_key": "km", "concurrency_limit": 0}, 400, "invalid_option"),
    "too many places": ({"concurrency_key": "km", "concurrency_limit": 1001}, 400, "invalid_option"),
    "places that are a truth": ({"concurrency_key": "km", "concurrency_limit": True}, 400, "invalid_option"),
    "places without a key": ({"concurrency_limit": 2}, 400, "invalid_option"),
    "no attempts": ({"max_attempts": 0}, 400, "invalid_option"),
    "no time": ({"timeout_seconds": 0}, 400, "invalid_option"),
    "misspelt field": ({"priorty": 5}, 400, "invalid_request"),
    "body that is a list": ([], 400, "invalid_request"),
    "body that is a word": ("enqueue", 400, "malformed_json"),
    "broken JSON": ('{"operation": ', 400, "malformed_json"),
    "not a number": ('{"priority": NaN}', 400, "malformed_json"),
    "endless delay": ('{"operation": "api.demo", "delay_seconds": 1e999}', 400, "invalid_option"),
    "endless number": ('{"operation": "api.demo", "priority": ' + "9" * 5000 + "}", 400, "malformed_json"),
    "not UTF-8": (b'{"operation": "\xff"}', 400, "malformed_json"),
    "deep nesting": ("[" * 100_000, 400, "malformed_json"),
    "body over the limit": ("x" * 2_700_000, 413, "request_too_large"),
}


@pytest.mark.parametrize(("body", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused_as_a_problem_and_nothing_is_queued(ann, operation, body, status, code):
    if isinstance(body, dict) and body and "operation" not in body:
        body = {"operation": operation, **body}

    problem = assert_problem(ann.post_json(URL, body), status, code)

    assert problem["hint"]
    assert problem["retryable"] is False
    assert not QueueItem.objects.exists()


def test_a_misspelt_field_or_operation_is_told_the_nearest_name(ann, operation):
    field = ann.post_json(URL, {"operation": operation, "priorty": 5}).json()
    name = ann.post_json(URL, {"operation": "api.dem"}).json()

    assert field["errors"] == [
        {"field": "priorty", "code": "unknown_field", "detail": "There is no such field. Did you mean priority?"}
    ]
    assert "Did you mean 'api.demo'?" in name["detail"]


def test_another_content_type_is_refused(ann, operation):
    assert_problem(ann.post(URL, {"operation": operation}), 415, "unsupported_media_type")
    assert not QueueItem.objects.exists()


def test_a_charset_that_is_no_text_encoding_does_no_harm(ann, operation):
    body = f'{{"operation": "{operation}"}}'.encode()
    assert ann.generic("POST", URL, body, content_type="application/json; charset=rot13").status_code == 201


def test_an_item_may_come_after_others_and_its_answer_names_them(ann, person, operation, service):
    parent = service.enqueue(None, operation).id
    body = {"operation": operation, "after": [parent], "if_parent_fails": "cancel"}
    new = ann.post_json(URL, body).json()
    assert (new["status"], new["wait_reason"]) == ("waiting", "dependency")
    child = service.get_item(new["id"])
    assert person(staff=True, name="bob").get(f"/api/v1/items/{child.id}").json()["parents"] == [
        {"id": parent, "outcome": None, "if_failed": "cancel"}
    ]


def test_an_item_may_ask_for_the_rules_of_admission_and_its_answer_names_them(ann, person, operation, configure):
    configure(LIMITS={"smtp": {"rate": 0.001}})
    rules = {"tenant": "acme", "limit_key": "smtp", "concurrency_key": "mail-acme", "concurrency_limit": 3}
    new = ann.post_json(URL, {"operation": operation, **rules}).json()
    assert (new["status"], new["wait_reason"]) == ("waiting", "concurrency")
    item = QueueItem.objects.get()
    assert (item.tenant, item.limit_key, item.slot_key, item.slot_limit) == ("acme", "smtp", "mail-acme", 3)
    QueueItem.objects.update(slot=2)
    shown = person(staff=True, name="bob").get(f"/api/v1/items/{item.pk}").json()
    assert {name: shown[name] for name in (*rules, "concurrency_slot", "batch_id")} == {
        **rules,
        "concurrency_slot": 2,
        "batch_id": None,
    }


def test_a_rule_that_is_null_is_left_to_the_handler(ann, operation):
    rules = dict.fromkeys(("tenant", "limit_key", "concurrency_key", "concurrency_limit"))
    assert ann.post_json(URL, {"operation": operation, **rules}).json()["status"] == "pending"


def test_what_was_cancelled_with_its_parent_says_with_which(person, operation, service):
    parent = service.enqueue(None, operation).id
    service.cancel(parent)
    child = service.enqueue(None, operation, after=[parent], if_parent_fails="cancel").id
    shown = person(staff=True, name="bob").get(f"/api/v1/items/{child}").json()
    told = f"item {parent} ({operation}), which it comes after, was cancelled"
    assert (shown["error_code"], shown["error_message"]) == ("parent_failed", told)
    assert shown["explain"] == f"Cancelled: {told}."


def test_strangers_and_people_without_the_permission_enqueue_nothing(anonymous, person, operation):
    assert_problem(anonymous.post_json(URL, {"operation": operation}), 401, "not_authenticated")
    assert_problem(
        person("view_queueitem", staff=True).post_json(URL, {"operation": operation}), 403, "permission_denied"
    )
    assert not QueueItem.objects.exists()


def test_the_answer_tells_what_became_of_an_enqueue_under_a_key(ann, operation):
    """Made, already there, replaced, refused; and the same again for a caller that lost the answer."""
    body = {"operation": operation, "unique_key": "u", "unique_for": 60, "idempotency_key": "i", "payload": {"n": 1}}
    first = ann.post_json(URL, body)
    assert (first.status_code, first.json()["created"]) == (201, True)
    for options, replaced in (({}, False), ({"on_conflict": "replace", "payload": {"n": 2}}, True)):
        again = ann.post_json(URL, body | {"idempotency_key": None} | options)
        assert (again.status_code, again.json()["created"], again.json()["replaced"]) == (200, False, replaced)
    refused = ann.post_json(URL, body | {"idempotency_key": "other", "on_conflict": "refuse"})
    assert (refused.status_code, refused.json()["code"]) == (409, "duplicate_key")
    lost = ann.post_json(URL, body | {"unique_key": "new"})
    assert (lost.status_code, lost.json()["id"]) == (200, first.json()["id"])
    wrong = ann.post_json(URL, body | {"unique_for": "a while"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_option")


def test_a_key_may_outlive_all_that_is_known_of_its_item(ann, operation):
    body = {"operation": operation, "unique_key": "u", "unique_for": "forever"}
    first = ann.post_json(URL, body).json()
    QueueItem.objects.all().delete()
    again = ann.post_json(URL, body)
    assert (again.status_code, again.json()["id"], again.json()["status"]) == (200, first["id"], None)
    assert "no more" in again.json()["explain"]
