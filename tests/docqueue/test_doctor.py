"""queue_doctor: each thing that can be wrong is made wrong, found, and told with how to mend it."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection

from docqueue import doctor, health, history, store
from docqueue.doctor import Level
from docqueue.models import Limit, Schedule, Worker
from tests.docqueue.helpers import OPERATION, T0, worker

pytestmark = pytest.mark.django_db


def facts(**changed):
    return json.loads(store.run("default", "doctor", {})[0][0]) | {"using": "default"} | changed


def told(look, **changed):
    """Levels and words of what one look says about changed facts."""
    return [(f.level, f.about, f.said, f.hint) for f in look(facts(**changed))]


def found(about):
    return [f for f in doctor.examine() if f.about == about]


def test_a_well_queue_has_nothing_but_ok(service):
    worker(None, 600)
    Worker.objects.update(kind="worker")
    history.ensure("default", weeks=3)
    findings = doctor.examine()
    assert {f.about for f in findings} >= {
        "version",
        "durability",
        "autovacuum",
        "indexes",
        "clock",
        "pooler",
        "workers",
    }
    bad = [f for f in findings if f.level is not Level.OK and f.about != "durability"]
    assert bad == [], "the tests' own server is not durable; all else is well"


@pytest.mark.parametrize(
    ("look", "changed", "level", "word"),
    [
        (doctor._server, {"version": 140_010}, Level.ERROR, "14 is not supported"),
        (doctor._server, {"version": 190_000}, Level.WARNING, "newer"),
        (doctor._server, {"recovery": True}, Level.ERROR, "standby"),
        (doctor._server, {"read_only": "on"}, Level.ERROR, "read-only"),
        (doctor._durability, {"fsync": "off"}, Level.ERROR, "fsync is off"),
        (doctor._durability, {"full_page_writes": "off"}, Level.ERROR, "full_page_writes is off"),
        (doctor._durability, {"synchronous_commit": "off"}, Level.ERROR, "can be lost"),
        (doctor._vacuum, {"autovacuum": "off"}, Level.ERROR, "slower"),
        (doctor._vacuum, {"item_autovacuum": False}, Level.ERROR, "slower"),
        (doctor._vacuum, {"dead_rows": 5_000_000, "live_rows": 100}, Level.WARNING, "5,000,000"),
        (doctor._vacuum, {"wraparound_age": 1_500_000_000}, Level.ERROR, "wraparound"),
        (doctor._snapshots, {"oldest_snapshot_seconds": 7200.0}, Level.WARNING, "2 h"),
        (doctor._snapshots, {"sees_others": False}, Level.WARNING, "other roles"),
        (doctor._snapshots, {"prepared_transactions": 2}, Level.WARNING, "2 prepared"),
        (doctor._indexes, {"invalid_indexes": ["docqueue_item_lane"]}, Level.ERROR, "docqueue_item_lane"),
        (doctor._indexes, {"partitions_ahead": 0}, Level.WARNING, "partition"),
        (doctor._clock, {"now": 1_000_000.0}, Level.WARNING, "ahead of"),
        (doctor._clock, {"now": 9e9}, Level.WARNING, "behind"),
        (doctor._connections, {"connections": 199, "max_connections": 200}, Level.WARNING, "199 of 200"),
    ],
)
def test_what_is_wrong_is_told_with_a_hint(look, changed, level, word):
    assert [(at, bool(hint)) for at, _, said, hint in told(look, **changed) if word in said] == [(level, True)]


def test_each_look_is_silent_about_a_problem_that_is_not_there():
    well = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "partitions_ahead": 3}
    assert {level for look in doctor.LOOKS[:-1] for level, *_ in told(look, **well)} == {Level.OK}


@pytest.mark.django_db(transaction=True)
def test_the_facts_are_read_from_the_server():
    """An index that is not valid, as an interrupted build leaves it; and autovacuum that somebody turned off."""
    with connection.cursor() as cursor:
        cursor.execute("create table docqueue_scratch as select 1 as n from generate_series(1, 2)")
        try:
            with pytest.raises(IntegrityError):
                cursor.execute("create unique index concurrently docqueue_scratch_n on docqueue_scratch (n)")
            cursor.execute("alter table docqueue_item set (autovacuum_enabled = false)")
            seen, [finding] = facts(), [f for f in found("indexes") if f.level is Level.ERROR]
        finally:
            cursor.execute("drop table docqueue_scratch; alter table docqueue_item reset (autovacuum_enabled)")
    assert (seen["item_autovacuum"], seen["invalid_indexes"]) == (False, ["docqueue_scratch_n"])
    assert seen["version"] == connection.pg_version
    assert finding.hint == "Run: reindex index concurrently docqueue_scratch_n."


def test_a_pooler_is_told_of_only_where_workers_would_listen_through_it(settings, monkeypatch):
    monkeypatch.setattr(doctor.store, "direct", lambda using: False)
    assert [f.level for f in found("pooler")] == [Level.WARNING]
    settings.DOCQUEUE = {"LISTEN": False}
    assert [f.level for f in found("pooler")] == [Level.OK]


def test_queues_without_a_worker_lost_workers_and_dead_letters_are_told_of(service):
    service.enqueue("d", OPERATION, queue="lonely")
    service.move_to_dead(service.mark_in_progress(service.enqueue("e", OPERATION)), "x")
    gone = worker(None, 600)
    Worker.objects.filter(pk=gone).update(kind="worker", lost_at="2099-01-01T00:00Z")
    said = " ".join(f"{f.said} {f.hint}" for f in (*found("workers"), *found("dead letters")))
    assert "queue lonely has items and no worker" in said
    assert "run_queue_worker --queue lonely" in said
    assert "1 were lost" in said
    assert "there are 1" in said


def test_paused_queues_are_told_of_and_warned_of_where_they_hold_items(service):
    service.pause_queue("mail", "the server moves", "ada", now=T0)
    service.pause_queue("empty", now=T0)
    for number in range(2):
        service.enqueue("d", OPERATION, queue="mail", delay_seconds=number * 60)
    assert [(f.level, f.said, f.hint) for f in found("paused")] == [
        (Level.OK, "queue empty has been paused since 2026-03-04 12:00:00 UTC (no reason given) and holds nothing", ""),
        (
            Level.WARNING,
            "queue mail has been paused since 2026-03-04 12:00:00 UTC by ada (the server moves) and holds 2 items",
            "If that is over, run: manage.py queue_resume mail",
        ),
    ]


def test_an_open_breaker_is_warned_of():
    Limit.objects.create(key="km", failures_to_open=5, open_seconds=30, failures=5, opened_at=T0)
    [finding] = found("breakers")
    assert finding.level is Level.WARNING
    assert finding.said.startswith("the breaker of 'km' has been open for ")
    assert "(5 failures in a row)" in finding.said
    assert finding.hint


def test_wrong_settings_are_all_it_can_tell_of(settings):
    settings.DOCQUEUE = {"PROCESES": 3}
    [finding] = doctor.examine()
    assert (finding.level, "PROCESSES" in finding.said) == (Level.ERROR, True)


@pytest.mark.parametrize("reason", [health.NO_DATABASE, "2 migrations are not applied: run manage.py migrate."])
def test_a_database_that_can_not_be_used_ends_the_examination_with_what_to_do(monkeypatch, reason):
    monkeypatch.setattr(health, "not_ready", lambda using: reason)
    last = doctor.examine()[-1]
    assert (last.level, last.said, bool(last.hint)) == (Level.ERROR, reason, True)


@pytest.mark.parametrize(("levels", "code"), [(["ok"], None), (["ok", "warning"], 2), (["warning", "error"], 1)])
def test_the_command_tells_by_its_exit_code_how_bad_it_is(monkeypatch, levels, code):
    findings = [doctor.Finding(level=Level(at), about="x", said="y", hint="z") for at in levels]
    monkeypatch.setattr(doctor, "examine", lambda using: findings)
    for flags in ([], ["--json"]):
        out = StringIO()
        if code is None:
            call_command("queue_doctor", *flags, stdout=out)
        else:
            with pytest.raises(SystemExit) as ended:
                call_command("queue_doctor", *flags, stdout=out)
            assert ended.value.code == code
        text = out.getvalue()
        assert (
            [f["level"] for f in json.loads(text)["findings"]] == levels if flags else text.count("→ z") == len(levels)
        )


def test_schedules_that_enqueue_nothing_are_told_with_the_reason(service):
    for name in ("well", "failing", "paused"):
        service.add_schedule(name, OPERATION, seconds=60)
    Schedule.objects.exclude(name="well").update(last_error="priority must be less")
    service.pause_schedule("paused")
    [finding] = found("schedules")
    assert finding.level is Level.WARNING
    assert finding.said == "failing enqueues nothing: priority must be less"
    assert finding.hint
