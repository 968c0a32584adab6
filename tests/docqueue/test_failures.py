"""Dead letters by their cause: counted by a duty, acknowledged by people; and how long dead items wait for somebody."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import connection

from docqueue import store
from docqueue.exceptions import FailureNotFound, InvalidBulk
from docqueue.maintenance import bulk, discard, failures, prune
from docqueue.models import AuditEntry, BulkOperation, FailureGroup, QueueItem, Resolution
from docqueue.outcomes import Failed, from_exception
from docqueue.service import DocumentQueueService
from docqueue.states import Status
from tests.docqueue.helpers import OPERATION, T0, later, rows, somebody_else

pytestmark = pytest.mark.django_db(transaction=True)


def die(service: DocumentQueueService, message: str = "no", at: datetime = T0, code: str = "broken") -> int:
    """A dead item."""
    item = service.mark_in_progress(service.enqueue(None, OPERATION, now=at).id, now=at)
    service.move_to_dead(item, message, code=code, now=at)
    return item.id


def count(service: DocumentQueueService, now: datetime = T0) -> int:
    """What the duty does."""
    return failures.run(service.using, now)


def groups() -> list[FailureGroup]:
    return list(FailureGroup.objects.order_by("error_message"))


def test_equal_causes_are_one_group_with_its_count_and_first_and_last_time(service: DocumentQueueService) -> None:
    first = die(service, "page 3 of 'a' is torn", T0)
    second = die(service, "page 17 of 'b' is torn", later(60))
    third = die(service, "the ink is dry", later(30))

    assert count(service, later(90)) == 2

    torn, dry = groups()
    assert (torn.number, torn.first_at, torn.last_at, torn.sample_id) == (2, T0, later(60), second)
    assert (torn.queue, torn.operation, torn.error_code, torn.error_message) == (
        "default",
        OPERATION,
        "broken",
        "page 17 of 'b' is torn",
    )
    assert (dry.number, dry.sample_id) == (1, third)
    assert first < second


def test_the_last_day_is_counted_by_the_hour_the_earliest_first(service: DocumentQueueService) -> None:
    for hours_ago in (30, 23.5, 2.5, 2.2, 0.1):
        die(service, "no", later(hours=30 - hours_ago))
    count(service, later(hours=30))
    (group,) = groups()
    assert group.number == 5
    assert group.hours == [1] + [0] * 20 + [2, 0, 1]


def test_it_is_counted_by_one_worker_in_some_seconds_and_not_by_two_at_once(service: DocumentQueueService) -> None:
    die(service)
    with somebody_else() as other:
        other.execute("select pg_advisory_xact_lock(%s, 0)", [store.LOCK_CLASS + 8])
        assert count(service) == 0, "somebody is at it"
        other.execute("rollback")
    assert count(service) == 1
    assert count(service, later(failures.FRESH_SECONDS - 1)) == 0
    assert count(service, later(failures.FRESH_SECONDS + 1)) == 1


def test_a_cause_without_items_stays_with_its_note_until_the_retention_is_over(service: DocumentQueueService) -> None:
    item_id = die(service)
    count(service)
    (group,) = groups()
    service.acknowledge_failure(group.pk, note="the archive moves", by="ann", now=later(5))
    service.requeue(item_id, by="ann", now=later(10))

    count(service, later(20))

    (group,) = groups()
    assert (group.number, group.note) == (0, "the archive moves")
    prune.run(service.using, later(30))
    assert groups()
    prune.run(service.using, later(days=400))
    assert not groups()


def test_an_acknowledged_cause_is_open_again_once_another_item_dies_of_it(service: DocumentQueueService) -> None:
    die(service)
    count(service)
    said = service.acknowledge_failure(groups()[0].pk, note="on it", by="ann", now=later(60))
    assert (said.acknowledged, said.acknowledged_by, said.note) == (True, "ann", "on it")

    die(service, at=later(120))
    count(service, later(130))

    assert not groups()[0].acknowledged
    entry = AuditEntry.objects.get(action="acknowledge_failure")
    assert (entry.actor, entry.reason, entry.count, entry.filter) == ("ann", "on it", 1, {"fingerprint": said.pk})


def test_an_acknowledgement_is_taken_back_and_audited(service: DocumentQueueService) -> None:
    die(service)
    count(service)
    pk = groups()[0].pk
    service.acknowledge_failure(pk, note="on it", by="ann", now=later(60))
    said = service.unacknowledge_failure(pk, by="bob", reason="it was another one")
    assert (said.acknowledged, said.acknowledged_at, said.acknowledged_by, said.note) == (False, None, "", "")
    entry = AuditEntry.objects.get(action="unacknowledge_failure")
    assert (entry.actor, entry.reason) == ("bob", "it was another one")


@pytest.mark.parametrize("name", ["0000000000000000", "", "\0", "é" * 400])
def test_a_cause_that_there_is_not_is_said_to_be_none(service: DocumentQueueService, name: str) -> None:
    for verb in (service.failure, service.acknowledge_failure, service.unacknowledge_failure):
        with pytest.raises(FailureNotFound):
            verb(name)
    assert not AuditEntry.objects.exists()


# -- how long it took ---------------------------------------------------------------------------------------------


def taken() -> list[tuple[float, int]]:
    return list(Resolution.objects.order_by("seconds").values_list("seconds", "number"))


def test_a_requeue_and_a_discard_note_how_long_the_item_had_been_dead(service: DocumentQueueService) -> None:
    service.requeue(die(service), now=later(60))
    service.discard(die(service), now=later(600))
    assert taken() == [(60, 1), (600, 1)]


def test_what_was_not_dead_is_no_resolution(service: DocumentQueueService) -> None:
    waiting = service.enqueue(None, OPERATION, delay_seconds=600, now=T0)
    service.requeue(waiting.id, now=later(1))
    service.cancel(waiting.id, now=later(2))
    assert taken() == []


def test_items_that_retention_ends_are_nobodys_doing(service: DocumentQueueService, settings: Any) -> None:
    settings.DOCQUEUE = {**settings.DOCQUEUE, "DEAD_RETENTION_DAYS": 1}
    die(service)
    assert discard.run(service.using, later(days=2)) == 1
    assert taken() == []


@pytest.mark.parametrize("action", ["requeue", "discard"])
def test_a_bulk_operation_notes_them_in_few_rows(service: DocumentQueueService, action: str) -> None:
    for at in (0, 1, 2, 900):
        die(service, at=later(at))
    service.bulk(action, everything=True, now=later(1000))
    assert bulk.run(service.using, later(1000), seconds=30) == 4
    assert taken() == [(100, 1), (1000, 3)]


def test_percentiles_are_of_items_and_of_the_last_days_alone(service: DocumentQueueService) -> None:
    for at, seconds, number in ((0, 5000, 1), (10, 10, 90), (10, 100, 9), (10, 1000, 1)):
        Resolution.objects.create(at=later(days=at), seconds=seconds, number=number)
    found = service.resolutions(7, now=later(days=11))
    assert (found.number, found.p50_seconds, found.p95_seconds) == (100, 10, 100)
    assert found.total_seconds == 90 * 10 + 9 * 100 + 1000
    nothing = service.resolutions(7, now=later(days=100))
    assert (nothing.number, nothing.p50_seconds, nothing.p95_seconds) == (0, None, None)


# -- a canary -----------------------------------------------------------------------------------------------------


def asked(service: DocumentQueueService, items: int, canary: int) -> tuple[list[int], BulkOperation]:
    ids = [die(service) for _ in range(items)]
    operation = service.bulk("requeue", canary=canary, by="ann", reason="fixed", everything=True, now=later(60))
    bulk.run(service.using, later(61), seconds=30)
    operation.refresh_from_db()
    return ids, operation


def statuses(service: DocumentQueueService, ids: list[int]) -> list[Status]:
    return [service.get_status(i) for i in ids]


def test_the_rest_waits_until_the_first_are_completed(service: DocumentQueueService) -> None:
    ids, operation = asked(service, 5, canary=2)
    assert statuses(service, ids) == [Status.PENDING] * 2 + [Status.DEAD] * 3
    assert (operation.state, operation.done) == ("running", 2)

    first, second = service.claim(2, now=later(62))
    service.mark_completed(first, now=later(63))
    assert bulk.run(service.using, later(64), seconds=30) == 0, "one of them is not done"
    service.mark_completed(second, now=later(65))
    assert bulk.run(service.using, later(66), seconds=30) == 3

    operation.refresh_from_db()
    assert (operation.state, operation.done, operation.total) == ("done", 5, 5)
    assert statuses(service, ids[2:]) == [Status.PENDING] * 3


@pytest.mark.parametrize("ending", ["retried", "dead", "cancelled"])
def test_one_of_the_first_that_fails_ends_it_with_its_reason(service: DocumentQueueService, ending: str) -> None:
    ids, operation = asked(service, 5, canary=2)
    claim = service.claim(1, now=later(62))[0]
    if ending == "cancelled":
        service.mark_completed(claim, now=later(63))
        service.cancel(ids[1], now=later(63))
    else:
        service.mark_failed(claim, "again", code="broken", retryable=ending == "retried", now=later(63))

    bulk.run(service.using, later(64), seconds=30)

    operation.refresh_from_db()
    which = ids[1] if ending == "cancelled" else claim.id
    how = "was cancelled" if ending == "cancelled" else "failed again (broken)"
    assert (operation.state, operation.done, operation.options["stopped"]) == (
        "aborted",
        2,
        f"canary: item {which} {how}",
    )
    assert statuses(service, ids[2:]) == [Status.DEAD] * 3
    assert AuditEntry.objects.get(action="bulk_requeue_aborted").reason == f"canary: item {which} {how}"


def test_fewer_items_than_were_to_go_first_end_it_when_they_are_done(service: DocumentQueueService) -> None:
    _, operation = asked(service, 2, canary=10)
    for claim in service.claim(10, now=later(62)):
        service.mark_completed(claim, now=later(63))
    bulk.run(service.using, later(64), seconds=30)
    operation.refresh_from_db()
    assert (operation.state, operation.done) == ("done", 2)


def test_the_first_are_gathered_over_stretches_until_there_are_enough(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "STRETCH", 2)
    ids = [die(service, code="broken" if n % 2 else "other") for n in range(12)]
    operation = service.bulk("requeue", error_code="broken", canary=3, now=later(60))
    bulk.run(service.using, later(61), seconds=30)
    assert [i for i in ids if service.get_status(i) is Status.PENDING] == ids[1:6:2]
    for claim in service.claim(10, now=later(62)):
        service.mark_completed(claim, now=later(63))
    bulk.run(service.using, later(64), seconds=30)
    operation.refresh_from_db()
    assert (operation.state, operation.done) == ("done", 6)


@pytest.mark.parametrize("given", [0, -1, 101, True, "3", 1.5])
def test_a_number_of_canaries_that_makes_no_sense_is_refused(service: DocumentQueueService, given: Any) -> None:
    with pytest.raises(InvalidBulk, match="from 1 to 100"):
        service.bulk("requeue", canary=given, everything=True)
    with pytest.raises(InvalidBulk, match="only a requeue"):
        service.bulk("discard", canary=5, everything=True)


# -- fingerprints -------------------------------------------------------------------------------------------------


def test_the_place_of_a_failure_is_in_the_projects_own_code_whatever_library_raised_it() -> None:
    def one(text: str) -> object:
        return json.loads(text)

    def other(text: str) -> object:
        return json.loads(text)

    assert _mark_of(one, "{") == _mark_of(one, ""), "raised in different functions of the library"
    assert _mark_of(one, "{") != _mark_of(other, "{")


def _mark_of(fail: Callable[[str], object], text: str) -> str:
    """The fingerprint of what is raised, told as the same message each time."""
    with pytest.raises(ValueError, match="line 1") as raised:
        fail(text)
    failed = from_exception(ValueError("bad").with_traceback(raised.value.__traceback__))
    assert isinstance(failed, Failed)
    return failed.fingerprint


# -- cost ---------------------------------------------------------------------------------------------------------


def test_counting_reads_an_index_over_dead_items_and_no_other(service: DocumentQueueService) -> None:
    QueueItem.objects.all().delete()
    insert = """
        insert into docqueue_item (queue, priority, position, status, operation, payload, metadata, max_attempts,
            timeout_seconds, died_at, fingerprint, error_code, error_message)
        select 'q', 0, n, case when n %% 20 = 0 then 'dead' else 'pending' end, 'test.noop', '{}', '{}', 5, 300,
            case when n %% 20 = 0 then %(at)s::timestamptz end, 'f' || n %% 7, 'c', 'm'
        from generate_series(1, 60000) n returning 1"""
    rows(insert, {"at": T0})
    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze docqueue_item")
    params = {"fresh": 0, "lock_class": store.LOCK_CLASS, "now": T0}
    plan = rows("explain (format json) " + store.sql("count_failures"), params)[0]["QUERY PLAN"]
    scans = [node for node in _nodes(plan[0]["Plan"]) if node.get("Relation Name") == "docqueue_item"]
    assert {node.get("Index Name") for node in scans} == {"docqueue_item_failure", "docqueue_item_pkey"}


def _nodes(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(found for child in node.get("Plans", []) for found in _nodes(child))]
