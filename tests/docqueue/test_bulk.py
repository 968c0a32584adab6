"""Bulk operations: frozen when they are asked for, done in slices, with progress, abort and audit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from docqueue import bulk as bulk_module
from docqueue import store
from docqueue.bulk import KINDS
from docqueue.conf import overridden
from docqueue.exceptions import BulkNotFound, IllegalTransition, InvalidBulk, InvalidKey
from docqueue.maintenance import all_duties, bulk
from docqueue.models import AuditEntry, BulkOperation, QueueItem
from docqueue.service import DocumentQueueService, NewItem
from docqueue.states import Status, WaitReason
from tests.docqueue.helpers import (
    OPERATION,
    STATES,
    T0,
    in_state,
    in_threads,
    later,
    past,
    row,
    rows,
    somebody_else,
    worker,
)

pytestmark = pytest.mark.django_db(transaction=True)
ASKED = later(60)
WHILE = later(120)


def dead(service: DocumentQueueService, count: int = 1, **options: Any) -> list[int]:
    return [in_state(service, Status.DEAD, **options)[0] for _ in range(count)]


def go_on(service: DocumentQueueService, now: datetime = WHILE) -> int:
    """What the duty does."""
    return bulk.run(service.using, now, seconds=30)


def counts(operation: BulkOperation) -> tuple[str, int, int, int]:
    operation.refresh_from_db()
    return operation.state, operation.total, operation.done, operation.skipped


def statuses(ids: list[int]) -> list[str]:
    return [(row(i) or past(i) or {"status": "none"})["status"] for i in ids]


def test_it_is_noted_at_once_and_done_by_the_duty(service: DocumentQueueService) -> None:
    ids = dead(service, 3)

    asked = service.bulk("requeue", status="dead", by="ada", reason="fixed", now=ASKED)

    assert (asked.state, asked.total, asked.done, asked.percent) == ("running", 3, 0, 0)
    assert statuses(ids) == ["dead"] * 3
    assert go_on(service) == 3
    assert counts(asked) == ("done", 3, 3, 0)
    assert asked.percent == 100
    assert asked.finished_at == WHILE
    assert statuses(ids) == ["pending"] * 3
    assert "bulk" in [duty.name for duty in all_duties()]


def test_requeued_items_are_as_after_a_requeue_of_each(service: DocumentQueueService) -> None:
    for options in ({}, {"ordering_key": "k"}, {"unique_key": "u"}, {"concurrency_key": "c"}):
        one, other = dead(service, 2, **options)
        service.requeue(one, now=WHILE)
        service.bulk("requeue", status="dead", now=ASKED)
        go_on(service)
        different = {"id", "position", "status", "wait_reason", "holds_key", "slot"}
        given, found = row(one), row(other)
        assert given is not None
        assert found is not None
        assert {k: v for k, v in found.items() if k not in different} == {
            k: v for k, v in given.items() if k not in different
        }
        assert {found["attempt"], found["crashes"], found["died_at"]} == {0, None}
    with connection.cursor() as cursor:
        cursor.execute("delete from docqueue_item")


def test_items_of_a_key_take_their_turn_again(service: DocumentQueueService) -> None:
    ids = dead(service, 3, ordering_key="k")
    service.bulk("requeue", status="dead", now=ASKED)
    go_on(service)
    assert statuses(ids) == ["pending", "waiting", "waiting"]


def test_what_waits_for_its_time_runs_now_where_that_is_asked_for(service: DocumentQueueService) -> None:
    ids = [in_state(service, Status.WAITING, reason)[0] for reason in (WaitReason.DELAYED, WaitReason.RETRY)]
    held = in_state(service, Status.WAITING, WaitReason.DEPENDENCY)[0]
    died = dead(service)

    asked = service.bulk("requeue", status="waiting", now=ASKED)
    go_on(service)

    assert counts(asked)[:3] == ("done", 2, 2)
    assert statuses(ids) == ["pending", "pending"]
    assert statuses([held, *died]) == ["waiting", "dead"]


def test_cancelling_ends_what_waits_and_asks_what_runs(service: DocumentQueueService) -> None:
    waiting = in_state(service, Status.WAITING, WaitReason.DELAYED)[0]
    pending = service.enqueue(None, OPERATION, unique_key="u", now=T0).id
    head, follower = (service.enqueue("d", OPERATION, now=T0).id for _ in range(2))
    running = in_state(service, Status.IN_PROGRESS)[0]
    died = dead(service)

    asked = service.bulk("cancel", everything=True, now=ASKED)
    go_on(service)

    assert counts(asked)[1:3] == (5, 5)
    assert statuses([waiting, pending, head, follower]) == ["cancelled"] * 4
    assert row(running)["cancel_requested_at"] == WHILE
    assert statuses(died) == ["dead"]
    assert not rows("select 1 from docqueue_key")


def test_who_waited_for_a_cancelled_item_goes_on(service: DocumentQueueService) -> None:
    head = service.enqueue("d", OPERATION, now=T0, metadata={})
    follower = service.enqueue("d", OPERATION, queue="other", now=T0)
    service.bulk("cancel", queue="default", now=ASKED)
    go_on(service)
    assert statuses([head.id, follower.id]) == ["cancelled", "pending"]


def test_discarding_gives_up_the_dead_and_nothing_else(service: DocumentQueueService) -> None:
    died, pending = dead(service, 2), service.enqueue(None, OPERATION, now=T0).id
    asked = service.bulk("discard", error_code="moved_to_dead", now=ASKED)
    go_on(service)
    assert counts(asked) == ("done", 2, 2, 0)
    assert statuses([*died, pending]) == ["cancelled", "cancelled", "pending"]


def test_purging_deletes_finished_items_and_only_them(service: DocumentQueueService) -> None:
    ended = [in_state(service, status)[0] for status in (Status.COMPLETED, Status.CANCELLED, Status.COMPLETED)]
    live = [*dead(service), service.enqueue(None, OPERATION, now=T0).id]
    asked = service.bulk("purge", status="completed", now=ASKED)
    assert go_on(service) == 2
    assert counts(asked) == ("done", 2, 2, 0)
    assert statuses(ended) == ["none", "cancelled", "none"]
    assert statuses(live) == ["dead", "pending"]


def test_what_somebody_still_waits_to_hear_of_is_not_purged(service: DocumentQueueService) -> None:
    parent = in_state(service, Status.COMPLETED)[0]
    with connection.cursor() as cursor:
        cursor.execute("insert into docqueue_dependency (child_id, parent_id) values (1, %s)", [parent])
    asked = service.bulk("purge", everything=True, now=ASKED)
    go_on(service)
    assert counts(asked) == ("done", 1, 0, 1)
    assert statuses([parent]) == ["completed"]


def test_another_priority_puts_items_at_the_end_of_their_new_lane_in_the_old_order(
    service: DocumentQueueService,
) -> None:
    there = service.enqueue(None, OPERATION, priority=50, now=T0).id
    low, high, same = (service.enqueue(None, OPERATION, priority=p, now=T0).id for p in (-5, 5, 50))
    delayed = service.enqueue(None, OPERATION, delay_seconds=60, now=T0).id

    asked = service.bulk("priority", priority="high", queue="default", now=ASKED)
    go_on(service)

    assert counts(asked)[1:3] == (3, 3), "those that have it already are not counted"
    assert [c.id for c in service.claim(10, worker=worker(T0), now=T0)] == [there, same, high, low]
    assert row(delayed)["priority"] == 50


def test_what_came_back_keeps_its_place_at_the_front(service: DocumentQueueService) -> None:
    back = service.enqueue(None, OPERATION, now=T0).id
    service.release(service.mark_in_progress(back, now=T0), now=T0)
    before = row(back)
    service.bulk("priority", priority=7, everything=True, now=ASKED)
    go_on(service)
    assert row(back) == {**before, "priority": 7}


@pytest.mark.parametrize("action", KINDS)
@pytest.mark.parametrize(("status", "reason"), STATES, ids=[f"{s}-{r}" if r else str(s) for s, r in STATES])
def test_every_action_changes_the_states_that_it_is_about_and_no_other(
    service: DocumentQueueService, action: str, status: Status, reason: WaitReason | None
) -> None:
    item, _ = in_state(service, status, reason)
    before = (row(item), past(item))
    more = {"priority": 9} if action == "priority" else {}
    service.bulk(action, everything=True, now=ASKED, **more)
    go_on(service)
    assert ((row(item), past(item)) != before) == (status in KINDS[action].usual)


@pytest.mark.parametrize(
    "asked",
    [
        {"queue": "a"},
        {"operation": "test.echo"},
        {"document_id": 7},
        {"enqueued_before": T0},
        {"error_code": "special"},
        {"fingerprint": "f00"},
    ],
    ids=lambda asked: next(iter(asked)),
)
def test_each_key_of_the_filter_narrows(service: DocumentQueueService, asked: dict[str, Any]) -> None:
    [other] = dead(service)
    new = service.enqueue(7, "test.echo", queue="a", ordering_key=None, now=later(-60))
    service.move_to_dead(service.mark_in_progress(new, now=T0), "no", code="special", now=T0)
    QueueItem.objects.filter(id=new.id).update(fingerprint="f00")
    operation = service.bulk("requeue", **asked, now=ASKED)
    assert go_on(service) == 1
    assert counts(operation) == ("done", 1, 1, 0)
    assert statuses([new.id, other]) == ["pending", "dead"]


def test_what_dies_or_comes_after_it_was_asked_for_is_left_alone(service: DocumentQueueService) -> None:
    before = dead(service, 2)
    pending = service.enqueue(None, OPERATION, now=T0).id
    asked = service.bulk("requeue", status="dead", now=ASKED)
    service.move_to_dead(service.mark_in_progress(pending, now=WHILE), "no", now=WHILE)  # known by then, not dead
    new = service.enqueue(None, OPERATION, now=WHILE)
    service.move_to_dead(service.mark_in_progress(new, now=WHILE), "no", now=WHILE)
    # one of them was requeued by somebody, and has died again
    service.requeue(before[0], now=WHILE)
    service.move_to_dead(service.mark_in_progress(before[0], now=WHILE), "again", now=WHILE)

    assert go_on(service) == 1

    assert counts(asked) == ("done", 2, 1, 1)
    assert statuses([*before, pending, new.id]) == ["dead", "pending", "dead", "dead"]


def test_what_has_moved_on_is_skipped_and_counted(service: DocumentQueueService) -> None:
    ids = [service.enqueue(None, OPERATION, now=T0).id for _ in range(4)]
    asked = service.bulk("cancel", status="pending", now=ASKED)
    service.mark_completed(service.mark_in_progress(ids[0], now=WHILE), now=WHILE)
    service.mark_in_progress(ids[1], now=WHILE)
    go_on(service)
    assert counts(asked) == ("done", 4, 2, 2)
    assert statuses(ids) == ["completed", "in_progress", "cancelled", "cancelled"]


def test_a_filter_that_matches_nothing_is_done_in_its_first_round(service: DocumentQueueService) -> None:
    asked = service.bulk("discard", operation="there.is.none", now=ASKED)
    assert (asked.total, go_on(service)) == (0, 0)
    assert counts(asked) == ("done", 0, 0, 0)
    assert asked.percent == 100


def test_many_are_done_slice_by_slice_however_few_match(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "SLICE", 3)
    monkeypatch.setattr(bulk, "STRETCH", 5)
    items = [NewItem(operation=OPERATION, queue="a" if n % 7 else "b", ordering_key=None) for n in range(40)]
    service.enqueue_many(items, now=T0)
    asked = service.bulk("cancel", queue="b", now=ASKED)
    seen = []
    while asked.state == "running":
        did = bulk.one_slice("default", asked.id, 3, WHILE)
        asked.refresh_from_db()
        seen.append((did.done, asked.done, asked.reached_id))
    assert asked.done == 6
    reached = [at for *_, at in seen]
    assert reached == sorted(reached)
    assert len(set(reached)) == 8, "40 rows, five at a time"
    assert all(done <= 3 for done, *_ in seen)


def test_aborting_ends_it_between_two_slices_and_keeps_what_was_done(service: DocumentQueueService) -> None:
    ids = dead(service, 6)
    asked = service.bulk("requeue", status="dead", by="ada", reason="why", now=ASKED)
    bulk.one_slice("default", asked.id, 2, WHILE)

    ended = service.bulk_abort(asked.id, by="bob", reason="oh no", now=WHILE)

    assert (ended.state, ended.done, ended.percent, ended.abort_requested_at) == ("aborted", 2, 33, WHILE)
    assert go_on(service) == 0
    assert statuses(ids) == ["pending"] * 2 + ["dead"] * 4
    with pytest.raises(IllegalTransition, match="aborted already"):
        service.bulk_abort(asked.id)
    assert [(e.action, e.actor, e.count, e.reason) for e in AuditEntry.objects.order_by("id")] == [
        ("bulk_requeue", "ada", 6, "why"),
        ("bulk_requeue_aborted", "bob", 2, "oh no"),
    ]


def test_one_audit_entry_at_its_start_and_one_at_its_end(service: DocumentQueueService) -> None:
    dead(service, 3)
    asked = service.bulk("discard", operation=OPERATION, by="ada", reason="old", now=ASKED)
    go_on(service)
    found = AuditEntry.objects.order_by("id")
    assert [(e.action, e.actor, e.count, e.reason, e.item_id) for e in found] == [
        ("bulk_discard", "ada", 3, "old", None),
        ("bulk_discard_done", "ada", 3, "old", None),
    ]
    assert found[0].filter == {"bulk": asked.id, "status": ["dead"], "operation": OPERATION}


def test_of_very_many_it_says_at_least(service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_module, "COUNTED", 3)
    dead(service, 5)
    asked = service.bulk("requeue", status="dead", now=ASKED)
    assert (asked.total, asked.at_least) == (3, True)
    go_on(service)
    assert counts(asked) == ("done", 5, 5, 0)
    assert not asked.at_least, "now it is known"


def test_no_more_than_so_many_items_are_looked_at_to_count_what_matches(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead(service, 5)
    other = service.enqueue(None, "test.echo", queue="other", now=T0)
    service.move_to_dead(service.mark_in_progress(other, now=T0), "no", now=T0)
    in_state(service, Status.COMPLETED)
    in_state(service, Status.CANCELLED)
    monkeypatch.setattr(bulk_module, "LOOKED_AT", 2)
    asked = service.bulk("requeue", operation=OPERATION, now=ASKED)
    assert (asked.at_least, asked.total) in {(True, 1), (True, 2)}
    narrow = service.bulk("requeue", queue="other", now=ASKED)
    assert (narrow.at_least, narrow.total) == (False, 1), "the queue's items are found by an index"
    assert service.bulk("purge", status="completed", now=ASKED).at_least
    go_on(service)
    assert counts(asked)[:3] == ("done", 5, 5)


def test_two_duties_at_once_share_it_and_repeat_nothing(service: DocumentQueueService) -> None:
    now = datetime.now(UTC)
    service.enqueue_many([NewItem(operation=OPERATION, ordering_key=None) for _ in range(3000)])
    asked = service.bulk("priority", priority=9, everything=True)
    before = rows("select last_value from docqueue_position_seq")[0]["last_value"]

    def work(_: int) -> int:
        total = 0
        while service.bulk_status(asked.id).state == "running":
            total += bulk.run("default", seconds=0.01)
        return total

    assert sum(in_threads(3, work)) == 3000
    assert counts(asked) == ("done", 3000, 3000, 0)
    assert rows("select last_value from docqueue_position_seq")[0]["last_value"] == before + 3000
    assert asked.finished_at >= now
    assert AuditEntry.objects.filter(action="bulk_priority_done").count() == 1


def test_an_item_that_somebody_holds_on_to_is_skipped_and_the_rest_is_done(service: DocumentQueueService) -> None:
    ids = [service.enqueue(None, OPERATION, now=T0).id for _ in range(25)]
    asked = service.bulk("cancel", everything=True, now=ASKED)
    with somebody_else() as holder:
        holder.execute("select from docqueue_item where id = %s for update", [ids[7]])
        go_on(service)
        assert counts(asked) == ("done", 25, 24, 1)
        assert asked.options["skipped"] == {"refused": {"number": 1, "first": [ids[7]]}}
    assert statuses(ids) == ["cancelled"] * 7 + ["pending"] + ["cancelled"] * 17


def test_an_operation_that_somebody_is_at_is_left_to_him(service: DocumentQueueService) -> None:
    dead(service)
    asked = service.bulk("requeue", status="dead", now=ASKED)
    with somebody_else() as holder:
        holder.execute("select from docqueue_bulk where id = %s for update", [asked.id])
        assert go_on(service) == 0
    assert counts(asked)[0] == "running"
    assert go_on(service) == 1


def test_a_round_ends_in_time_and_every_operation_gets_its_turn(service: DocumentQueueService) -> None:
    dead(service, 2)
    first = service.bulk("requeue", status="dead", now=ASKED)
    second = service.bulk("purge", everything=True, now=ASKED)
    assert bulk.run("default", WHILE, seconds=0) == 2, "one slice at least"
    assert [counts(o)[0] for o in (first, second)] == ["done", "running"]


@pytest.mark.parametrize(
    ("action", "asked", "said"),
    [
        ("explode", {"status": "dead"}, "no action 'explode'"),
        ("requeue", {"stauts": "dead"}, "has no 'stauts'"),
        ("requeue", {}, "everything=True"),
        ("requeue", {"queue": None}, "everything=True"),
        ("requeue", {"status": "completed"}, "not 'completed'"),
        ("requeue", {"status": []}, "status must be"),
        ("requeue", {"status": 7}, "status must be"),
        ("cancel", {"status": ["pending", "dead"]}, "not 'dead'"),
        ("purge", {"fingerprint": "f"}, "has no 'fingerprint'"),
        ("requeue", {"enqueued_before": "yesterday"}, "time zone"),
        ("requeue", {"enqueued_before": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001
        ("priority", {"queue": "a"}, "needs a priority"),
        ("cancel", {"queue": "a", "priority": 1}, "needs a priority"),
    ],
)
def test_what_can_not_be_done_is_refused_at_the_door(
    service: DocumentQueueService, action: str, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidBulk, match=said):
        service.bulk(action, **asked)
    assert not BulkOperation.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_value_that_can_not_be_stored_is_refused(service: DocumentQueueService) -> None:
    with pytest.raises(InvalidKey, match="queue"):
        service.bulk("requeue", queue="\0")


def test_an_unknown_operation_is_said_to_be_unknown(service: DocumentQueueService) -> None:
    for call in (service.bulk_status, service.bulk_abort):
        with pytest.raises(BulkNotFound, match="no bulk operation 4711"):
            call(4711)


def test_what_is_rolled_back_was_never_asked_for(service: DocumentQueueService) -> None:
    ids = dead(service)
    with store.atomic("default"):
        service.bulk("requeue", status="dead", now=ASKED)
        connection.set_rollback(True)
    assert go_on(service) == 0
    assert statuses(ids) == ["dead"]


def test_tenants_wait_for_their_share_after_it(service: DocumentQueueService) -> None:
    ids = dead(service, 2, tenant="t")
    with overridden(FAIR_SHARE=1):
        service.bulk("requeue", status="dead", now=ASKED)
        go_on(service)
        assert {row(i)["wait_reason"] for i in ids} <= {None, "fair_share"}
        assert "dead" not in statuses(ids)
