"""Dead letters by their cause over HTTP."""

import pytest

from docqueue.maintenance import bulk, failures
from docqueue.models import AuditEntry, FailureGroup
from docqueue.states import Status
from tests.docqueue.api.callers import assert_problem
from tests.docqueue.helpers import T0, later

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]
DEAD = "/api/v1/dead-letters"
GROUPS = f"{DEAD}/groups"


@pytest.fixture
def dead(service, operation):
    """Make a dead item that died of this."""

    def make(message="it broke", code="broken", at=T0, queue=None):
        new = service.enqueue(None, operation, queue=queue, now=at)
        service.move_to_dead(service.mark_in_progress(new, now=at), message, code=code, now=at)
        return new.id

    return make


@pytest.fixture
def counted(dead):
    """Two causes, of two items and of one. Returns the ids and the fingerprints."""
    ids = [dead("page 1 is torn"), dead("page 2 is torn", at=later(5)), dead("the ink is dry", at=later(9))]
    failures.run("default", later(10))
    torn, dry = FailureGroup.objects.order_by("-number")
    return ids, torn.pk, dry.pk


def test_causes_are_listed_with_their_counts_that_of_the_latest_death_first(person, counted):
    ids, torn, dry = counted
    seen = person("view_queueitem").get(GROUPS).json()
    assert seen["next"] is None
    assert [(row["fingerprint"], row["number"], row["sample_id"]) for row in seen["results"]] == [
        (dry, 1, ids[2]),
        (torn, 2, ids[1]),
    ]
    assert seen["results"][1]["error_message"] == "page 2 is torn"
    assert sum(seen["results"][1]["hours"]) == 2


def test_pages_follow_one_another_and_filters_narrow(person, dead):
    for n, word in enumerate(("one", "two", "three")):
        dead(word, at=later(n), code=f"code_{word}")
    failures.run("default", later(10))
    ann = person("view_queueitem")
    seen, address = [], f"{GROUPS}?limit=2"
    while address:
        body = ann.get(address).json()
        seen += [row["error_message"] for row in body["results"]]
        address = body["next"]
    assert seen == ["three", "two", "one"]
    assert [row["error_message"] for row in ann.get(f"{GROUPS}?error_code=code_two").json()["results"]] == ["two"]
    assert ann.get(f"{GROUPS}?queue=other").json()["results"] == []


@pytest.mark.parametrize(
    "query", ["cursor=x", "cursor=9999999999999999999999-a", "cursor=1-%00", "limit=0", "queue=%00"]
)
def test_a_query_that_makes_no_sense_is_refused(person, counted, query):
    assert_problem(person("view_queueitem").get(f"{GROUPS}?{query}"), 400, "invalid_request")


def test_the_items_of_a_cause_are_listed_by_its_fingerprint(person, counted):
    ids, torn, _ = counted
    seen = person("view_queueitem").get(f"{DEAD}?fingerprint={torn}&limit=1").json()
    assert [row["id"] for row in seen["results"]] == [ids[1]]
    assert f"fingerprint={torn}" in seen["next"]


def test_a_cause_is_acknowledged_with_a_note_and_that_can_be_taken_back(person, counted):
    _, torn, _ = counted
    ann = person("acknowledge_failure", "view_queueitem")

    said = ann.post_json(f"{GROUPS}/{torn}/acknowledge", {"note": "on it"}).json()

    assert (said["acknowledged"], said["acknowledged_by"], said["note"]) == (True, "ann", "on it")
    assert ann.get(f"{GROUPS}/{torn}").json() == said
    assert ann.delete(f"{GROUPS}/{torn}/acknowledge").json()["acknowledged"] is False
    assert list(AuditEntry.objects.order_by("id").values_list("action", "actor")) == [
        ("acknowledge_failure", "ann"),
        ("unacknowledge_failure", "ann"),
    ]


def test_all_of_a_cause_are_requeued_the_first_as_canaries(person, counted, service):
    ids, torn, _ = counted
    ann = person("requeue_item", "view_queueitem")

    answer = ann.post_json(f"{GROUPS}/{torn}/requeue", {"canary": 1, "reason": "fixed"})

    assert (answer.status_code, answer.json()["total"]) == (202, 2)
    bulk.run("default")
    assert [service.get_status(i) for i in ids] == [Status.PENDING, Status.DEAD, Status.DEAD]
    service.move_to_dead(service.mark_in_progress(ids[0]), "torn again", code="broken")
    bulk.run("default")
    seen = ann.get(answer["Location"]).json()
    assert (seen["state"], seen["stopped"]) == ("aborted", f"canary: item {ids[0]} failed again (broken)")


def test_all_of_a_cause_are_discarded(person, counted, service):
    ids, torn, _ = counted
    answer = person("cancel_item").post_json(f"{GROUPS}/{torn}/discard", {"reason": "old"})
    assert answer.status_code == 202
    bulk.run("default")
    assert [service.get_status(i) for i in ids] == [Status.CANCELLED, Status.CANCELLED, Status.DEAD]


def test_dead_letters_are_requeued_by_a_filter_or_all_of_them(person, counted, service, dead):
    ids, _, dry = counted
    ann = person("requeue_item")
    address = f"{DEAD}/requeue"
    for body in ({}, {"filter": {"status": "waiting"}}):
        assert_problem(ann.post_json(address, body), 400, "invalid_bulk")
    assert ann.post_json(address, {"filter": {"fingerprint": dry}}).status_code == 202
    bulk.run("default")
    assert [service.get_status(i) for i in ids] == [Status.DEAD, Status.DEAD, Status.PENDING]
    assert ann.post_json(address, {"everything": True, "reason": "fixed"}).json()["total"] == 2
    bulk.run("default")
    assert {service.get_status(i) for i in ids} == {Status.PENDING}


def test_one_dead_letter_is_requeued_or_discarded(person, counted, service):
    ids, _, _ = counted
    ann = person("requeue_item", "cancel_item")
    assert ann.post_json(f"{DEAD}/{ids[0]}/requeue").json()["status"] == "pending"
    assert ann.post_json(f"{DEAD}/{ids[1]}/discard", {"reason": "old"}).json()["status"] == "cancelled"
    assert_problem(ann.post_json(f"{DEAD}/{ids[1]}/discard"), 409, "illegal_transition")
    assert_problem(ann.post_json(f"{DEAD}/0/discard"), 404, "item_not_found")


@pytest.mark.parametrize("body", [{"canary": 0}, {"canary": 101}, {"canary": "x"}, {"cannary": 1}])
def test_a_number_of_canaries_that_makes_no_sense_is_refused(person, counted, body):
    _, torn, _ = counted
    assert_problem(person("requeue_item").post_json(f"{GROUPS}/{torn}/requeue", body), 400, "invalid_request")


@pytest.mark.parametrize(
    ("method", "path", "permission"),
    [
        ("get", "", "view_queueitem"),
        ("get", "/{}", "view_queueitem"),
        ("post", "/{}/acknowledge", "acknowledge_failure"),
        ("delete", "/{}/acknowledge", "acknowledge_failure"),
        ("post", "/{}/requeue", "requeue_item"),
        ("post", "/{}/discard", "cancel_item"),
    ],
)
def test_each_needs_its_permission_and_a_cause_that_there_is(person, anonymous, counted, method, path, permission):
    _, torn, _ = counted
    every = {"view_queueitem", "acknowledge_failure", "requeue_item", "cancel_item"}
    others = sorted(every - {permission})
    call = {"get": "get", "post": "post_json", "delete": "delete"}[method]
    address = GROUPS + path.format(torn)
    assert_problem(getattr(anonymous, call)(address), 401, "not_authenticated")
    assert_problem(getattr(person(*others), call)(address), 403, "permission_denied")
    allowed = person(permission, name="bob")
    assert getattr(allowed, call)(address).status_code in (200, 202)
    if path:
        assert_problem(getattr(allowed, call)(GROUPS + path.format("0" * 16)), 404, "failure_not_found")
