"""The list of items, enqueueing many, and the lists of queues, workers, schedules, batches, limits and error codes."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from docqueue import claiming, codes, listing
from docqueue.exceptions import DocqueueError
from docqueue.maintenance import promote
from docqueue.models import AuditEntry, QueueItem, Schedule, Worker
from tests.docqueue.api.callers import assert_problem
from tests.docqueue.helpers import T0

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]
API = "/api/v1"


@pytest.fixture
def ann(person):
    return person(staff=True)


def ids(answer) -> list[int]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def every_page(client, path) -> list[int]:
    """Ids of all pages, by following `next`."""
    found = []
    while path:
        answer = client.get(path)
        found += ids(answer)
        following = answer.json()["next"]
        path = following and following.removeprefix("http://testserver")
    return found


@pytest.fixture
def items(service, operation):
    """Eight items, of which two are finished, one is dead, one runs, one waits: ids by what they are."""
    found = {
        "plain": service.enqueue("a", operation, tenant="acme").id,
        "key": service.enqueue("b", operation, unique_key="k1").id,
        "later": service.enqueue("a", operation, delay_seconds=60).id,
    }
    done = service.enqueue("c", operation)
    service.mark_completed(service.mark_in_progress(done), result={})
    found["done"] = done.id
    found["cancelled"] = service.enqueue("c", operation, queue="other").id
    service.cancel(found["cancelled"])
    found["dead"] = service.enqueue("d", operation).id
    service.mark_failed(service.mark_in_progress(found["dead"]), "no", code="broken", retryable=False)
    found["running"] = service.enqueue("e", operation).id
    service.mark_in_progress(found["running"])
    with service.batch("seven") as batch:
        found["batch"] = batch.enqueue("f", operation).id
    found["batch_id"] = batch.id
    promote.run("default")  # what has rules goes on at the commit, which a test does not reach
    return found


ALL = ("batch", "running", "dead", "cancelled", "done", "later", "key", "plain")


def test_live_and_finished_items_stand_in_one_list_the_newest_first(ann, items):
    assert every_page(ann, f"{API}/items?limit=3") == [items[name] for name in ALL]
    answer = ann.get(f"{API}/items").json()
    assert (answer["next"], answer["complete"]) == (None, True)
    row = answer["results"][2]
    assert (row["status"], row["reason"], row["error_code"], row["attempt"]) == ("dead", "dead", "broken", 1)
    assert "payload" not in row


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("status=dead", ["dead"]),
        ("status=completed,cancelled", ["cancelled", "done"]),
        ("status=waiting", ["later"]),
        ("queue=other", ["cancelled"]),
        ("operation=api.demo", ALL),
        ("operation=nothing", []),
        ("document_id=a", ["later", "plain"]),
        ("document_id=c", ["cancelled", "done"]),
        ("document_id=c&status=completed", ["done"]),
        ("document_id=d", ["dead"]),
        ("document_id=e", ["running"]),
        ("unique_key=k1", ["key"]),
        ("error_code=broken", ["dead"]),
        ("tenant=acme", ["plain"]),
        ("batch_id={batch_id}", ["batch"]),
        ("q=k1", ["key"]),
        ("q=e", ["running"]),
        ("q={done}", ["done"]),
        ("q=api.demo", ALL),
        ("q=nothing", []),
        ("enqueued_before=2000-01-01T00:00:00Z", []),
        ("enqueued_after=2000-01-01T00:00:00Z", ALL),
    ],
)
def test_a_filter_finds_what_fits_and_nothing_else(ann, items, asked, names):
    assert ids(ann.get(f"{API}/items?{asked.format(**items)}")) == [items[name] for name in names]


@pytest.mark.parametrize(
    "asked",
    ["status=asleep", "status=,", "batch_id=x", "enqueued_after=yesterday", "enqueued_before=2030-02-30T00:00:00Z",
     "limit=0", "limit=501", "cursor=x", "cursor=99999999999999999999", "queue=%00", "q=%F0%9F%00", "staus=dead"],
)  # fmt: skip
def test_a_parameter_that_makes_no_sense_is_refused(ann, asked):
    assert_problem(ann.get(f"{API}/items?{asked}"), 400, "invalid_request")


def test_a_page_that_has_looked_at_enough_ends_and_says_where_to_go_on(ann, service, operation, monkeypatch):
    monkeypatch.setattr(listing, "WINDOW", 10)
    wanted = service.enqueue(None, operation, tenant="acme").id
    for _ in range(25):
        service.enqueue(None, operation)
    first = ann.get(f"{API}/items?tenant=acme").json()
    assert (first["results"], first["looked_at"], first["complete"]) == ([], 10, False)
    assert urlsplit(first["next"]).query.startswith("tenant=acme&cursor=")
    assert every_page(ann, f"{API}/items?tenant=acme") == [wanted]


def test_a_batch_of_more_items_than_are_found_at_once_is_listed_newest_first(ann, service, operation, monkeypatch):
    monkeypatch.setattr(listing, "FOUND", 3)
    with service.batch() as batch:
        members = [batch.enqueue(None, operation).id for _ in range(6)]
    service.enqueue(None, operation)
    assert every_page(ann, f"{API}/items?batch_id={batch.id}&limit=2") == members[::-1]


def test_a_dead_or_waiting_document_is_found_behind_any_number_of_others(ann, service, operation, monkeypatch):
    monkeypatch.setattr(listing, "WINDOW", 2)
    gone = service.enqueue("d", operation, ordering_key=None).id
    service.mark_failed(service.mark_in_progress(gone), "no", retryable=False)
    head, behind = (service.enqueue("d", operation).id for _ in range(2))
    other = service.enqueue("d", operation, ordering_key="another").id
    for _ in range(5):
        service.enqueue(None, operation)
    answer = ann.get(f"{API}/items?document_id=d")
    assert ids(answer) == [behind, head, gone]
    assert (answer.json()["complete"], other) == (False, other), "pending under another key, and so no index has it"


def test_a_page_of_dead_letters_that_has_looked_at_enough_ends_and_says_where_to_go_on(
    ann, service, operation, monkeypatch
):
    monkeypatch.setattr(listing, "WINDOW", 3)
    gone = []
    for number in range(8):
        gone.append(service.enqueue(None, operation).id)
        code = "rare" if number == 1 else "common"
        service.mark_failed(service.mark_in_progress(gone[-1]), "no", code=code, retryable=False)
    first = ann.get(f"{API}/dead-letters?error_code=rare").json()
    assert (first["results"], first["next"] is None) == ([], False)
    assert every_page(ann, f"{API}/dead-letters?error_code=rare") == [gone[1]]
    assert every_page(ann, f"{API}/dead-letters?error_code=common&limit=2") == [gone[n] for n in (7, 6, 5, 4, 3, 2, 0)]


# -- enqueueing many -----------------------------------------------------------------------------------------------


def test_many_are_enqueued_in_order_and_the_key_that_is_taken_names_its_item(person, service, operation):
    ann = person("add_queueitem")
    taken = service.enqueue(None, operation, unique_key="k").id
    items = [{"operation": operation, "document_id": n, "tenant": "acme"} for n in range(3)]
    answer = ann.post_json(f"{API}/items/bulk", {"items": [*items, {"operation": operation, "unique_key": "k"}]})
    assert answer.status_code == 201
    found = [row["id"] for row in answer.json()["results"]]
    assert (answer.json()["number"], found[3], found[:3]) == (4, taken, sorted(found[:3]))
    assert list(QueueItem.objects.filter(id__in=found[:3]).order_by("id").values_list("document_id", "tenant")) == [
        (str(n), "acme") for n in range(3)
    ]


@pytest.mark.parametrize(
    ("wrong", "code", "where"),
    [
        ({"operation": "api.deno"}, "unknown_operation", "items.1: "),
        ({"operation": "api.demo", "priority": 1000}, "invalid_priority", "items.1: "),
        ({"operation": "api.demo", "payload": []}, "payload_not_json", "items.1: "),
        ({"operation": "api.demo", "idempotency_key": "x"}, "invalid_option", "In bulk"),
        ({"operation": "api.demo", "queu": "x"}, "invalid_request", "items.1.queu"),
        ({"operation": "api.demo", "payload": {"a": "\0"}}, "payload_not_json", "items.1: "),
    ],
)
def test_one_that_is_wrong_keeps_all_out_and_is_named(person, operation, wrong, code, where):
    body = {"items": [{"operation": operation}, wrong]}
    problem = assert_problem(person("add_queueitem").post_json(f"{API}/items/bulk", body), 400, code)
    assert where in problem["detail"]
    assert not QueueItem.objects.exists()


@pytest.mark.parametrize("items", [[], [{}] * 1001, {}, None, "x"])
def test_no_items_or_too_many_are_refused(person, operation, items):
    assert_problem(person("add_queueitem").post_json(f"{API}/items/bulk", {"items": items}), 400, "invalid_request")


# -- one item ------------------------------------------------------------------------------------------------------


def test_why_an_item_waits_is_told_in_words_and_figures(ann, items):
    answer = ann.get(f"{API}/items/{items['later']}/explain").json()
    assert (answer["id"], answer["reason"]) == (items["later"], "delayed")
    assert answer["explain"].startswith("Waiting: ")


def test_failed_attempts_come_page_by_page(ann, service, operation):
    item_id = service.enqueue(None, operation, max_attempts=4).id
    for n in range(3):
        service.mark_failed(service.mark_in_progress(item_id), f"no {n}")
        service.run_now(item_id)
    first = ann.get(f"{API}/items/{item_id}/attempts?limit=2").json()
    assert [row["message"] for row in first["results"]] == ["no 2", "no 1"]
    second = ann.get(first["next"].removeprefix("http://testserver")).json()
    assert ([row["message"] for row in second["results"]], second["next"]) == (["no 0"], None)


def test_run_now_and_another_priority_change_the_item_and_are_written_down(person, items):
    ann = person("requeue_item", "change_queueitem", "view_queueitem")
    answer = ann.post_json(f"{API}/items/{items['later']}/run-now", {"reason": "now"})
    assert (answer.status_code, answer.json()["next_retry_at"]) == (200, None)
    answer = ann.post_json(f"{API}/items/{items['plain']}/priority", {"priority": "high", "reason": "asked"})
    assert (answer.status_code, answer.json()["priority"] > 0) == (200, True)
    said = list(AuditEntry.objects.filter(actor="ann").order_by("id").values_list("action", "item_id", "reason"))
    assert said == [("run_now", items["later"], "now"), ("priority", items["plain"], "asked")]
    assert_problem(ann.post_json(f"{API}/items/{items['dead']}/run-now"), 409, "illegal_transition")
    assert_problem(ann.post_json(f"{API}/items/{items['plain']}/priority", {"priority": 101}), 400, "invalid_priority")
    assert_problem(ann.post_json(f"{API}/items/{items['plain']}/priority", {}), 400, "invalid_request")


# -- queues, workers, schedules, batches, limits -------------------------------------------------------------------


def test_a_queue_tells_its_depths_its_lag_its_workers_and_who_paused_it(ann, service, items):
    claiming.register("default", Worker.Kind.WORKER, lease_seconds=60)
    service.pause_queue("demo", "the archive moves", "bob")
    found = ann.get(f"{API}/queues/demo").json()
    assert (found["pending"], found["in_progress"], found["waiting"], found["failed"]) == (3, 1, 1, 1)
    assert (found["workers"], found["hint"], found["paused"]["by"]) == (1, "", "bob")
    assert found["oldest_due_seconds"] >= 0
    names = [row["name"] for row in ann.get(f"{API}/queues").json()["results"]]
    assert {"default", "demo"} <= set(names)
    assert names == sorted(names)
    assert_problem(ann.get(f"{API}/queues/deno"), 404, "queue_not_found")
    assert_problem(ann.get(f"{API}/queues/{'x' * 65}"), 400, "invalid_key")


def test_queues_come_page_by_page(ann, service, operation):
    for name in ("q1", "q2", "q3"):
        service.enqueue(None, operation, queue=name)
    found, path = [], f"{API}/queues?limit=2"
    while path:
        answer = ann.get(path).json()
        found += [row["name"] for row in answer["results"]]
        path = answer["next"] and answer["next"].removeprefix("http://testserver")
    assert found == sorted(set(found))
    assert {"q1", "q2", "q3"} <= set(found)


def test_workers_tell_their_state_and_what_they_hold(ann, service, operation):
    live = claiming.register("default", Worker.Kind.WORKER, lease_seconds=60)
    lost = claiming.register("default", Worker.Kind.WORKER, lease_seconds=60)
    Worker.objects.filter(pk=lost).update(lease_expires_at=T0 - timedelta(days=3650))
    Worker.objects.filter(pk=live).update(info={"slots": [{"pid": 7, "item_id": 1}, "odd"]})
    service.enqueue(None, operation)
    [claim] = service.claim(worker=live)
    states = {row["id"]: (row["state"], row["holds"]) for row in ann.get(f"{API}/workers").json()["results"]}
    assert states == {live: ("live", 1), lost: ("lost", 0)}
    assert ids(ann.get(f"{API}/workers?state=live")) == [live]
    assert ids(ann.get(f"{API}/workers?state=lost")) == [lost]
    assert ids(ann.get(f"{API}/workers?state=stopped")) == []
    one = ann.get(f"{API}/workers/{live}").json()
    assert ([item["id"] for item in one["items"]], one["slots"]) == ([claim.id], [{"pid": 7, "item_id": 1}])
    assert every_page(ann, f"{API}/workers?limit=1") == [lost, live]
    assert_problem(ann.get(f"{API}/workers?state=odd"), 400, "invalid_request")
    for unknown in (lost + 1, 2**63, 10**40):
        assert_problem(ann.get(f"{API}/workers/{unknown}"), 404, "worker_not_found")


def test_a_schedule_is_shown_paused_resumed_and_run(person, service, operation):
    ann = person("view_queueitem", "change_schedule")
    made = service.add_schedule("nightly", operation, cron="30 2 * * *")
    path = f"{API}/schedules/{made.pk}"
    assert ids(ann.get(f"{API}/schedules")) == [made.pk]
    shown = ann.get(path).json()
    assert (shown["name"], shown["paused"], len(shown["next_ticks"])) == ("nightly", False, 5)
    paused = ann.post_json(f"{path}/pause", {"reason": "holidays"}).json()
    assert (paused["paused"], paused["paused_reason"]) == (True, "holidays")
    run = ann.post_json(f"{path}/run")
    assert (run.status_code, QueueItem.objects.get().pk) == (201, run.json()["id"])
    assert ann.post_json(f"{path}/resume").json()["paused"] is False
    actions = AuditEntry.objects.filter(actor="ann").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["pause_schedule", "run_now", "resume_schedule"]
    Schedule.objects.update(operation="gone")
    assert_problem(ann.post_json(f"{path}/run"), 400, "unknown_operation")
    assert_problem(ann.get(f"{API}/schedules/{2**63}"), 404, "schedule_not_found")


def test_a_batch_is_counted_and_sealed(person, service, operation):
    ann = person("view_queueitem", "change_batch")
    batch = service.batch("import")
    done, _, dead = (batch.enqueue(None, operation) for _ in range(3))
    service.mark_completed(service.mark_in_progress(done))
    service.mark_failed(service.mark_in_progress(dead), "no", retryable=False)
    path = f"{API}/batches/{batch.id}"
    found = ann.get(path).json()
    assert (found["total"], found["pending"], found["completed"], found["dead"]) == (3, 1, 1, 1)
    assert (found["at_least"], found["sealed_at"]) == (False, None)
    assert ann.post_json(f"{path}/seal", {"reason": "it died"}).json()["sealed_at"] is not None
    assert ann.post_json(f"{path}/seal").status_code == 200, "twice is as good as once"
    assert ids(ann.get(f"{API}/batches")) == [batch.id]
    for unknown in (batch.id + 1, 2**63, 10**40):
        assert_problem(ann.get(f"{API}/batches/{unknown}"), 404, "batch_not_found")


def test_a_batch_is_counted_up_to_so_many(service, operation):
    with service.batch() as batch:
        for _ in range(4):
            batch.enqueue(None, operation)
    assert service.batch_status(batch).pending == 4
    assert service.batch_status(batch, most=3).pending == 3


@pytest.mark.django_db(transaction=True)
def test_a_limit_tells_what_it_allows_and_how_its_breaker_is(ann, service, configure, register):
    configure(LIMITS={"smtp": {"rate": 2, "burst": 2}, "web": {"failures": 1, "open_seconds": 3600}})
    register("api.limited", queue="demo")
    for key in ("smtp", "web"):
        service.enqueue(None, "api.limited", limit_key=key)
    worker = claiming.register("default", Worker.Kind.WORKER, lease_seconds=60)
    for claim in service.claim(2, worker=worker):
        service.mark_failed(claim, "no")
    answer = ann.get(f"{API}/queue/limits?limit=1").json()
    [smtp] = answer["results"]
    [web] = ann.get(answer["next"].removeprefix("http://testserver")).json()["results"]
    assert (smtp["key"], smtp["rate"], smtp["breaker"], smtp["may_start_now"] < 2) == ("smtp", 2.0, None, True)
    assert (web["key"], web["breaker"], web["failures"], web["rate"]) == ("web", "open", 1, None)
    assert web["tries_at"] > web["opened_at"]


def test_every_error_code_is_listed_once_with_its_status_and_next_step(ann):
    class Own(DocqueueError):
        """Something of an app's own."""

        code, status, hint, retryable = "own_trouble", 409, "Wait.", True

    before = dict(codes._registry)
    try:
        codes.register("myapp", lambda: [Own])
        found = ann.get(f"{API}/errors").json()["results"]
    finally:
        codes._registry.clear()
        codes._registry.update(before)
    keys = [(row["source"], row["code"]) for row in found]
    assert len(set(keys)) == len(keys)
    assert {("docqueue", "illegal_transition"), ("http", "throttled"), ("ingestion", "corrupt_file")} <= set(keys)
    own = next(row for row in found if row["source"] == "myapp")
    assert own == {
        "code": "own_trouble",
        "source": "myapp",
        "status": 409,
        "retryable": True,
        "meaning": "Something of an app's own.",
        "hint": "Wait.",
    }


def test_health_says_the_numbers_of_the_queue_and_503_without_a_worker(ann, items):
    answer = ann.get(f"{API}/health/queue")
    assert (answer.status_code, answer.json()["healthy"]) == (503, False)
    claiming.register("default", Worker.Kind.WORKER, lease_seconds=60)
    answer = ann.get(f"{API}/health/queue")
    body = answer.json()
    assert (answer.status_code, {k: body[k] for k in ("healthy", "database", "queue", "worker")}) == (
        200,
        {"healthy": True, "database": True, "queue": True, "worker": True},
    )
    assert body["details"]["queue_counts"] == {"waiting": 4, "active": 1, "completed": 1, "failed": 1}
    assert "worker_concurrency" in body["details"]


def test_a_worker_is_quieted_lets_go_and_is_stopped_once_and_audited(person, service):
    worker_id = claiming.register("default", Worker.Kind.WORKER, lease_seconds=60)
    ann = person("manage_workers", "view_queueitem")
    address = f"/api/v1/workers/{worker_id}"
    assert ann.post_json(f"{address}/quiet", {"reason": "before the update"}).json()["asked"] == "quiet"
    assert ann.post_json(f"{address}/quiet").json()["asked_by"] == "ann"
    assert ann.post_json(f"{address}/unquiet").json()["asked"] is None
    assert ann.post_json(f"{address}/stop").json()["asked"] == "stop"
    assert_problem(ann.post_json(f"{address}/quiet"), 409, "worker_refuses")
    assert_problem(ann.post_json("/api/v1/workers/0/stop"), 404, "worker_not_found")
    assert list(AuditEntry.objects.order_by("id").values_list("action", "actor", "reason")) == [
        ("quiet_worker", "ann", "before the update"),
        ("unquiet_worker", "ann", ""),
        ("stop_worker", "ann", ""),
    ]
