"""The one table of legal moves, and the database's trigger that holds it."""

from __future__ import annotations

import re
from importlib import import_module

import pytest
from django.db import IntegrityError, connection, transaction

from docqueue.states import (
    FINISHED,
    LIVE,
    TRANSITIONS,
    Status,
    WaitReason,
    allowed,
    attempt,
    live_moves,
    trigger_condition,
)
from tests.docqueue.helpers import T0, in_state, row


def test_every_state_is_either_live_or_finished():
    assert set(Status) == LIVE | FINISHED
    assert not LIVE & FINISHED


def test_no_move_leaves_a_finished_state():
    assert [m for m in TRANSITIONS if m.source in FINISHED] == []


def test_the_table_has_no_move_twice():
    assert len(set(TRANSITIONS)) == len(TRANSITIONS)


def test_every_state_can_be_reached_from_an_enqueue():
    reached = {Status.WAITING, Status.PENDING}
    for _ in Status:
        reached |= {m.target for m in TRANSITIONS if m.source in reached}
    assert reached == set(Status)


def test_every_live_state_has_a_way_to_an_end():
    for start in LIVE:
        reached = {start}
        for _ in Status:
            reached |= {m.target for m in TRANSITIONS if m.source in reached}
        assert reached >= FINISHED, f"{start} can not end"


def test_allowed_answers_from_the_table():
    assert allowed("complete", Status.IN_PROGRESS)
    assert not allowed("complete", Status.PENDING)
    assert not allowed("no_such_verb", Status.PENDING)


def test_a_cancel_that_only_asks_is_no_change_of_the_row():
    assert (Status.IN_PROGRESS, Status.IN_PROGRESS) not in live_moves()


def _pairs(text: str) -> set[tuple[str, str]]:
    return set(re.findall(r"\('(\w+)', '(\w+)'\)", text))


@pytest.mark.parametrize(
    ("status", "shown"), [("in_progress", 1), ("completed", 1), ("dead", 1), ("pending", 0), ("waiting", 0)]
)
def test_what_ran_as_a_probe_is_in_its_first_attempt_and_what_waits_has_spent_none(status, shown):
    assert attempt(0, status) == shown
    assert attempt(2, status) == 2


def test_the_migrations_trigger_is_the_table_of_legal_moves():
    newest = import_module("docqueue.migrations.0013_cheap_conditions").Migration.operations[-1].sql
    assert f"when ({trigger_condition()})" in newest
    assert _pairs(trigger_condition()) == {(a.value, b.value) for a, b in live_moves()}


LIVE_PAIRS = [(a, b) for a in sorted(LIVE) for b in sorted(Status) if a != b]


@pytest.mark.django_db
@pytest.mark.parametrize(("source", "target"), LIVE_PAIRS)
def test_raw_sql_can_make_only_legal_moves(service, source, target):
    item_id, _ = in_state(service, source, WaitReason.DELAYED if source is Status.WAITING else None)
    before = row(item_id)

    def change() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("update docqueue_item set status = %s where id = %s", [target, item_id])

    if (source, target) in live_moves():
        change()
        assert row(item_id)["status"] == target
    else:
        with pytest.raises(IntegrityError, match=f"can not go from {source} to {target}"):
            change()
        assert row(item_id) == before


@pytest.mark.django_db
def test_other_columns_can_be_changed_in_any_state(service):
    for status in sorted(LIVE):
        item_id, _ = in_state(service, status, WaitReason.DELAYED if status is Status.WAITING else None)
        with connection.cursor() as cursor:
            cursor.execute("update docqueue_item set status = status, priority = 7 where id = %s", [item_id])
        assert row(item_id)["priority"] == 7
        assert row(item_id)["enqueued_at"] == T0
