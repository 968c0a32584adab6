"""The result cache: a completed item answers for a new one, where its operation says for how long."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from docqueue import history, store
from docqueue.exceptions import ConfigurationError
from docqueue.service import DocumentQueueService, NewItem
from docqueue.states import Status
from tests.docqueue.helpers import (
    OPERATION,
    T0,
    in_background,
    in_threads,
    later,
    rows,
    second_alias,
    until,
    waiting_for,
)

pytestmark = pytest.mark.django_db(transaction=True)

CACHED = "answers.cached"


@pytest.fixture(autouse=True)
def cached(register: Any) -> None:
    register(CACHED, answer_seconds=60)


def ask(service: DocumentQueueService, operation: str = CACHED, **options: Any) -> Any:
    given = {"unique_key": "u", "payload": {"page": 1, "sizes": [1, 2]}, "now": T0} | options
    return service.enqueue(None, operation, **given)


def complete(service: DocumentQueueService, item: Any, now: Any = T0) -> int:
    service.mark_completed(service.mark_in_progress(item, now=now), result={"pages": 3}, now=now)
    return int(item.id)


def test_what_was_completed_a_moment_ago_answers_and_nothing_is_enqueued(service: DocumentQueueService) -> None:
    done = complete(service, ask(service))
    answer = ask(service, now=later(59.9))
    assert (answer.id, answer.created, answer.answered, answer.status) == (done, False, True, Status.COMPLETED)
    assert service.get_item(answer).result == {"pages": 3}
    assert rows("select 1 from docqueue_item") == rows("select 1 from docqueue_key") == []


def test_once_the_time_is_over_it_runs_again_and_the_newest_answers(service: DocumentQueueService) -> None:
    complete(service, ask(service))
    again = ask(service, now=later(60))
    assert (again.created, again.answered) == (True, False)
    complete(service, again, later(61))
    assert ask(service, now=later(62)).id == again.id
    assert ask(service, now=later(121)).created


def test_equal_payloads_are_equal_as_json(service: DocumentQueueService) -> None:
    done = complete(service, ask(service))
    assert ask(service, payload={"sizes": [1.0, 2], "page": 1}).id == done
    for other in ({"page": 1}, {"page": 1, "sizes": [2, 1]}, {"page": "1", "sizes": [1, 2]}, {}):
        new = ask(service, payload=other)
        assert new.created, other
        service.cancel(new, now=T0)


@pytest.mark.parametrize("other", ["key", "no key", "operation"])
def test_another_key_and_another_operation_are_not_answered(
    service: DocumentQueueService, register: Any, other: str
) -> None:
    complete(service, ask(service))
    register("answers.other", answer_seconds=60)
    options = {"key": {"unique_key": "v"}, "no key": {"unique_key": None}, "operation": {"operation": "answers.other"}}
    assert ask(service, **options[other]).created


def test_what_was_cancelled_or_died_answers_nobody(service: DocumentQueueService) -> None:
    service.cancel(ask(service), now=T0)
    dead = ask(service)
    assert dead.created
    service.move_to_dead(service.mark_in_progress(dead, now=T0), "no", now=T0)
    assert ask(service).created


def test_an_operation_that_does_not_say_so_always_runs_and_costs_no_look(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete(service, ask(service, OPERATION))
    sent = []
    run = store.run
    monkeypatch.setattr(store, "run", lambda using, name, params: sent.append(name) or run(using, name, params))
    assert ask(service, OPERATION).created
    assert "take_keys" in sent
    assert "cached_answer" not in sent
    ask(service, unique_key=None)
    assert "cached_answer" not in sent, "without a key there is nothing to look for"


@pytest.mark.parametrize("lasts", ["claimed", "finished", "forever", 3600])
@pytest.mark.parametrize("conflict", ["return", "replace", "refuse"])
def test_an_answer_goes_before_what_the_key_would_do(
    service: DocumentQueueService, lasts: str | int, conflict: str
) -> None:
    done = complete(service, ask(service, unique_for=lasts))
    answer = ask(service, unique_for=lasts, on_conflict=conflict)
    assert (answer.id, answer.answered) == (done, True)


def test_while_one_runs_the_key_makes_it_one(service: DocumentQueueService) -> None:
    first = ask(service)
    claim = service.mark_in_progress(first, now=T0)
    second = ask(service)
    assert (second.id, second.created, second.answered) == (first.id, False, False)
    service.mark_completed(claim, now=T0)
    assert ask(service).answered


def test_callers_at_once_get_one_item_or_its_answer(service: DocumentQueueService) -> None:
    answers = in_threads(8, lambda n: ask(service, now=None))
    assert len({answer.id for answer in answers}) == 1
    complete(service, answers[0], None)
    answers = in_threads(8, lambda n: ask(service, now=None))
    assert all(answer.answered for answer in answers)


def test_a_caller_who_waited_for_the_key_until_it_was_completed_is_answered(service: DocumentQueueService) -> None:
    first = ask(service)
    claim = service.mark_in_progress(first, now=T0)
    with second_alias() as other:
        history.ensure(other, T0)
        with transaction.atomic(using=other):
            DocumentQueueService(other).mark_completed(claim, now=T0)
            asking = in_background(lambda: ask(service))
            until(lambda: waiting_for("transactionid"))
        answer = asking.result()
    assert (answer.id, answer.answered) == (first.id, True)
    assert rows("select 1 from docqueue_item") == rows("select 1 from docqueue_key") == []


def test_an_idempotency_key_remembers_the_answer(service: DocumentQueueService) -> None:
    done = complete(service, ask(service))
    assert ask(service, idempotency_key="i").answered
    assert ask(service, idempotency_key="i", payload={}, now=later(3600)).id == done


def test_in_bulk_nothing_is_answered(service: DocumentQueueService) -> None:
    done = complete(service, ask(service))
    new = NewItem(operation=CACHED, unique_key="u", payload={"page": 1, "sizes": [1, 2]})
    assert service.enqueue_many([new], now=T0) != [done]


@pytest.mark.parametrize("wrong", [0, -1, "60", True, float("inf")])
def test_a_time_that_is_none_is_refused_when_the_handler_is_registered(register: Any, wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="answer_seconds is a positive number of seconds"):
        register("answers.wrong", answer_seconds=wrong)


FINISHED = """
insert into docqueue_history (id, queue, priority, status, operation, document_id, unique_key, payload, metadata,
    attempt, max_attempts, crashes, enqueued_at, finished_at, claim_no)
select n, 'q', 0, case when n %% 10 = 0 then 'cancelled' else 'completed' end, 'answers.cached', n, 'u' || n %% 5000,
    '{"page": 1}', '{}', 1, 5, 0, %(at)s, %(at)s, 1
from generate_series(1, 20000) n
"""


@pytest.mark.parametrize("analyzed", [False, True])
def test_an_answer_is_found_by_its_index_in_the_partitions_that_are_young_enough(analyzed: bool) -> None:
    moments = [T0 - timedelta(weeks=n) for n in range(4)]
    with connection.cursor() as cursor:
        for moment in moments:
            history.ensure("default", moment)
            cursor.execute(FINISHED, {"at": moment})
        if analyzed:
            cursor.execute("analyze docqueue_history")
        params = {"operation": CACHED, "unique_key": "u77", "payload": '{"page": 1}', "seconds": 60.0, "now": T0}
        cursor.execute("explain (analyze, buffers, format json) " + store.sql("cached_answer"), params)
        found = cursor.fetchone()[0]
        cursor.execute("truncate docqueue_history")
    top = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    nodes, scans = [top], []
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        if str(node.get("Relation Name", "")).startswith("docqueue_history") and node["Actual Loops"]:
            scans.append(node)
    assert {node["Node Type"] for node in scans} <= {"Index Scan", "Bitmap Heap Scan"}
    assert min(node["Relation Name"] for node in scans) == history.week(T0)[0]
    assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] <= 60
