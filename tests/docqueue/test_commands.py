"""The smaller commands, as an operator types them."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from docqueue import handlers, schedules
from docqueue.exceptions import PayloadMisfit
from docqueue.models import Limit, QueueItem, Schedule, Worker
from docqueue.service import NewItem
from docqueue.states import Status
from tests.docqueue.helpers import OPERATION, T0, in_state, worker

pytestmark = pytest.mark.django_db


def said(*command, **options):
    out = StringIO()
    call_command(*command, stdout=out, **options)
    return out.getvalue()


@dataclass
class Page:
    document: str
    page: int
    dpi: int = 300


@pytest.fixture
def typed(registry):
    handlers.handler("test.page", payload=Page)(lambda ctx: None)
    yield "test.page"
    handlers.typed.discard("test.page")


def test_explain_tells_the_reason_and_all_that_has_happened(service):
    item_id, claim = in_state(service, Status.IN_PROGRESS)
    service.mark_failed(claim, "the archive is locked", code="archive_locked", retry_after=3600)
    service.requeue(item_id, by="ada", reason="unlocked")
    text = said("queue_explain", str(item_id))
    assert f"Item {item_id}: Waiting for a worker." in text
    assert "attempt 1 failed: archive_locked: the archive is locked" in text
    assert "requeue by ada: unlocked" in text
    told = json.loads(said("queue_explain", str(item_id), "--json"))
    assert (told["id"], told["status"], len(told["happened"])) == (item_id, "pending", 2)


def test_explain_names_the_rules_that_an_item_is_under(service):
    batch = service.batch("pages")
    rules = {"tenant": "acme", "concurrency_key": "km", "concurrency_limit": 4}
    item_id = batch.enqueue(None, OPERATION, **rules).id
    QueueItem.objects.update(slot=2)
    told = json.loads(said("queue_explain", str(item_id), "--json"))
    assert {name: told[name] for name in (*rules, "concurrency_slot", "batch_id")} == {
        **rules,
        "concurrency_slot": 2,
        "batch_id": batch.id,
    }
    assert "concurrency_key     km" in said("queue_explain", str(item_id))


def test_explain_of_an_item_that_there_is_not_says_so():
    with pytest.raises(CommandError, match="no item 4711"):
        call_command("queue_explain", "4711")


def test_a_payload_that_its_handler_would_not_take_is_refused_at_enqueue(service, typed):
    service.enqueue(None, typed, payload={"document": "a", "page": 1})
    with pytest.raises(PayloadMisfit, match="missing a required argument: 'page'"):
        service.enqueue(None, typed, payload={"document": "a"})
    with pytest.raises(PayloadMisfit, match="unexpected keyword argument 'colour'"):
        service.enqueue_many([NewItem(operation=typed, payload={"document": "a", "page": 1, "colour": True})])
    assert QueueItem.objects.count() == 1


def test_check_finds_what_the_next_release_would_not_know(service, typed, monkeypatch):
    monkeypatch.setattr("docqueue.management.commands.queue_check.SLICE", 2)
    ids = service.enqueue_many([NewItem(operation=typed, payload={"document": "a", "page": n}) for n in range(5)])
    service.enqueue(None, OPERATION)
    assert f"{typed}: 5 live" in said("queue_check")
    QueueItem.objects.filter(pk__in=ids[1:3]).update(payload={"document": "a"})
    QueueItem.objects.filter(pk=ids[4]).update(operation="test.of_the_last_release")
    out = StringIO()
    with pytest.raises(CommandError, match="3 of 6 live items do not fit"):
        call_command("queue_check", "--json", stdout=out)
    found = {entry["why"]: (entry["count"], entry["examples"]) for entry in json.loads(out.getvalue())["found"]}
    assert found == {
        "test.page: Page: missing a required argument: 'page'": (2, ids[1:3]),
        "no handler is registered for test.of_the_last_release": (1, [ids[4]]),
    }


@pytest.fixture
def plans():
    """The registry of schedules in code, empty and put back as it was at the end."""
    known = dict(schedules._registry)
    schedules._registry.clear()
    yield
    schedules._registry.clear()
    schedules._registry.update(known)


def test_check_finds_schedules_that_could_enqueue_nothing(service, typed, plans):
    schedules.every("fine", OPERATION, seconds=60)
    assert "schedule" not in said("queue_check")
    schedules.every("renamed", "test.nop", seconds=60)
    schedules.every("refused", OPERATION, seconds=60, priority=1000)
    schedules.every("unfit", typed, seconds=60, payload={"document": "a"})
    for name in ("by hand", "paused"):
        service.add_schedule(name, OPERATION, seconds=60)
    Schedule.objects.update(operation="test.of_the_last_release")
    service.pause_schedule("paused")
    out = StringIO()
    with pytest.raises(CommandError, match=r"^4 schedules can enqueue nothing with this code"):
        call_command("queue_check", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert (told["items"], told["misfits"]) == (0, 0)
    found = {entry["name"]: entry["why"] for entry in told["broken_schedules"]}
    assert set(found) == {"by hand", "refused", "renamed", "unfit"}
    assert "'test.nop'. Did you mean 'test.noop'?" in found["renamed"]
    assert "priority must be" in found["refused"]
    assert "missing a required argument: 'page'" in found["unfit"]
    QueueItem.objects.filter(pk=service.enqueue(None, OPERATION).id).update(operation="test.of_the_last_release")
    out = StringIO()
    with pytest.raises(CommandError, match=r"^1 of 1 live items.* 4 schedules"):
        call_command("queue_check", stdout=out)
    assert "schedule refused: priority must be" in out.getvalue()


def test_check_reads_schedules_from_a_database_that_is_still_the_last_releases(service, plans):
    service.add_schedule("s", OPERATION, seconds=60)
    with connection.cursor() as cursor:
        cursor.execute("alter table docqueue_schedule drop column last_error, drop column last_error_at")
    assert said("queue_check") == ""


def test_top_shows_queues_and_what_each_process_is_at(service):
    service.enqueue(None, OPERATION, queue="letters")
    slot = {"pid": 4711, "rss_mb": 57, "item_id": 12, "operation": "[bold]x", "since": "2026-01-01T00:00:00+00:00"}
    Worker.objects.filter(pk=worker(None, 600)).update(kind="worker", info={"slots": [slot, {"pid": 1}, "odd"]})
    out = StringIO()
    with contextlib.redirect_stdout(out):
        call_command("queue_top", "--once")
    text = out.getvalue()
    for word in ("letters", "4711", "57 MiB", "[bold]x", "idle"):
        assert word in text, text


@pytest.mark.parametrize("command", [("queue_stats",), ("queue_top", "--once")])
def test_stats_and_top_tell_what_is_paused_and_which_breakers_are_open(service, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    service.pause_queue("mail", "[bold]the server moves", "ada", now=T0)
    Limit.objects.create(key="km", failures_to_open=5, open_seconds=30, failures=5, opened_at=T0)
    out = StringIO()
    with contextlib.redirect_stdout(out):
        call_command(*command, stdout=out)
    assert "queue mail has been paused since 2026-03-04 12:00:00 UTC by ada ([bold]the server moves)" in out.getvalue()
    assert "the breaker of 'km' has been open for " in out.getvalue()


def test_stats_are_printed_again_and_again_until_ctrl_c(service, monkeypatch):
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("docqueue.management.commands.queue_stats.time.sleep", sleep)
    assert said("queue_stats", "--json", watch=0.5).count('"total"') == 3
    assert pauses == [0.5] * 3
