"""Schedules in the admin: made and changed with a word on what is wrong, paused, resumed, run; the next five ticks."""

import re

import pytest
from django.urls import reverse

from docqueue import handlers, schedules, scheduling
from docqueue.maintenance import schedule
from docqueue.models import AuditEntry, QueueItem, Schedule, ScheduleTick, Worker
from docqueue.schedules import Plan
from docqueue.scheduling import CODE
from tests.docqueue.helpers import T0, later, worker

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]
RIGHTS = tuple(f"{verb}_schedule" for verb in ("view", "add", "change", "delete"))
LIST, ADD = "admin:docqueue_schedule_changelist", "admin:docqueue_schedule_add"


@pytest.fixture
def ann(operator):
    return operator(*RIGHTS)


def change(pk):
    return reverse("admin:docqueue_schedule_change", args=[pk])


def form(registered, **given):
    return {
        "name": "nightly", "operation": registered, "cron": "30 2 * * *", "interval_seconds": "",
        "time_zone": "Europe/Berlin", "missed": "latest", "options": '{"priority": 5}', **given,
    }  # fmt: skip


def test_a_schedule_is_made_and_changed_by_hand(ann, operation):
    answer = ann.post(reverse(ADD), form(operation), follow=True)
    assert answer.status_code == 200
    made = Schedule.objects.get()
    assert (made.name, made.source, made.cron, made.options) == ("nightly", "admin", "30 2 * * *", {"priority": 5})
    assert made.next_at is not None
    ann.post(change(made.pk), form(operation, cron="", interval_seconds="60", name="other"))
    made.refresh_from_db()
    assert (made.name, made.cron, made.interval_seconds) == ("nightly", "", 60)
    assert set(AuditEntry.objects.values_list("action", "actor")) == {("add_schedule", "ann")}


@pytest.mark.parametrize(
    ("field", "given", "word"),
    [
        ("cron", {"cron": "61 * * * *"}, "minute"),
        ("cron", {"cron": ""}, "either"),
        ("cron", {"interval_seconds": "5"}, "either"),
        ("interval_seconds", {"cron": "", "interval_seconds": "0.1"}, "1 at least"),
        ("time_zone", {"time_zone": "Moon/Sea"}, "Moon/Sea"),
        ("options", {"options": "{"}, "JSON"),
        ("options", {"options": "[1]"}, "JSON object"),
        ("options", {"options": '{"run_after": 1}'}, "run_after"),
        ("options", {"options": '{"priority": 1000}'}, "priority"),
        ("operation", {"operation": "no.such"}, "no.such"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(ann, operation, field, given, word):
    answer = ann.post(reverse(ADD), form(operation, **given))
    assert answer.status_code == 200
    assert word in str(answer.context["adminform"].form.errors[field])
    assert not Schedule.objects.exists()


def test_the_page_shows_the_next_five_ticks_by_the_clocks_of_the_zone_and_the_last_ones(ann, service, operation):
    made = service.add_schedule("s", operation, cron="30 2 * * *", time_zone="Europe/Berlin")
    item = service.run_now("s")
    ScheduleTick.objects.create(schedule_id=made.pk, tick_at=T0, item_id=item.id)
    shown = ann.get(change(made.pk)).content.decode()
    assert len(re.findall(r"02:30:00 CES?T", shown)) == 5
    assert f">#{item.id}</a>" in shown


def test_it_is_paused_resumed_and_run_from_its_page_and_audited(ann, service, operation):
    made = service.add_schedule("s", operation, seconds=60)
    for verb in ("pause_schedule", "run_now", "resume_schedule"):
        assert f"/do/{verb}/" in ann.get(change(made.pk)).content.decode()
        answer = ann.post(reverse("admin:docqueue_schedule_do", args=[made.pk, verb]), {"reason": "why"}, follow=True)
        assert "1 " in next(str(m) for m in answer.context["messages"])
        said = AuditEntry.objects.get(action=verb)
        assert (said.actor, said.reason, said.filter) == ("ann", "why", {"schedule": "s"})
    assert QueueItem.objects.count() == 1
    assert ann.get(reverse("admin:docqueue_schedule_do", args=[made.pk, "run_now"])).status_code == 405


def test_run_now_says_when_its_unique_key_was_taken_and_nothing_was_enqueued(ann, service, operation):
    made = service.add_schedule("s", operation, seconds=60, unique_key="s")
    there = service.run_now("s")
    answer = ann.post(reverse("admin:docqueue_schedule_do", args=[made.pk, "run_now"]), follow=True)
    assert [str(m) for m in answer.context["messages"]] == [
        f"Schedule s: nothing was enqueued, as there is item {there.id} with its unique key.",
        "0 items enqueued.",
    ]
    assert QueueItem.objects.count() == 1


def test_the_page_of_a_paused_one_says_that_it_has_no_ticks(ann, service, operation):
    made = service.add_schedule("s", operation, seconds=60)
    assert "while it is paused" not in ann.get(change(made.pk)).content.decode()
    service.pause_schedule("s")
    assert "none while it is paused; without the pause:" in ann.get(change(made.pk)).content.decode()


def test_it_is_paused_resumed_and_run_from_the_list(ann, service, operation):
    made = [service.add_schedule(name, operation, seconds=60) for name in ("a", "b")]
    for action, text in (
        ("pause_chosen", "2 schedules paused"),
        ("pause_chosen", "0 schedules paused"),
        ("run_chosen", "2 items enqueued"),
        ("resume_chosen", "2 schedules resumed"),
    ):
        answer = ann.post(reverse(LIST), {"action": action, "_selected_action": [one.pk for one in made]}, follow=True)
        assert text in answer.content.decode()
    assert not Schedule.objects.exclude(paused_at=None).exists()


def test_the_list_says_what_is_broken_paused_or_overdue(ann, service, register):
    register("test.soon_gone")
    for name in ("broken", "still", "late"):
        service.add_schedule(name, "test.soon_gone" if name == "broken" else "test.noop", seconds=60, now=T0)
    service.pause_schedule("still", reason="month's end")
    handlers.forget("test.soon_gone")
    shown = ann.get(reverse(LIST)).content.decode()
    for words in ("No handler is registered", "month&#x27;s end", "overdue", "every 60 s"):
        assert words in shown, words


def test_one_whose_tick_can_not_be_enqueued_says_why_and_since_when(ann, service, register):
    """The worker has other code: here nothing is wrong with it."""
    register("test.new")
    made = service.add_schedule("s", "test.new", seconds=60, now=T0)
    handlers.forget("test.new")
    schedule.Rounds().run("default", later(60))
    register("test.new")
    why = "No handler is registered for the operation &#x27;test.new&#x27;."
    shown = ann.get(reverse(LIST)).content.decode()
    assert "failing" in shown
    assert why in shown
    assert "no worker runs" not in shown
    page = ann.get(change(made.pk)).content.decode()
    assert re.search(rf"<label>Last error:</label>.*?{re.escape(why)}.*?since 2026-03-04", page, re.DOTALL)
    schedule.Rounds().run("default")
    assert "failing" not in ann.get(reverse(LIST)).content.decode()


@pytest.mark.parametrize(
    ("kind", "words"),
    [(None, "no worker runs"), (Worker.Kind.WORKER, "workers run, but none has come"), (Worker.Kind.CRON, "by cron")],
)
def test_one_that_is_overdue_says_that_no_worker_runs_only_where_none_does(ann, service, operation, kind, words):
    service.add_schedule("s", operation, seconds=60, now=T0)
    if kind:
        Worker.objects.filter(pk=worker(None, 600)).update(kind=kind)
    shown = ann.get(reverse(LIST)).content.decode()
    assert words in shown
    assert kind is None or "no worker runs" not in shown


def test_one_that_has_left_the_code_can_be_deleted_until_it_is_back(ann, operation):
    plan = Plan(name="c", operation=operation, interval_seconds=60)
    scheduling.put("default", plan, CODE, None)
    made = Schedule.objects.get()
    delete = reverse("admin:docqueue_schedule_delete", args=[made.pk])
    assert delete not in ann.get(change(made.pk)).content.decode()
    scheduling.synchronise("default")
    assert delete in ann.get(change(made.pk)).content.decode()
    schedules.every("c", operation, seconds=60)
    try:
        assert delete not in ann.get(change(made.pk)).content.decode()
        assert ann.post(delete, {"post": "yes"}).status_code == 403
    finally:
        schedules.forget("c")
    answer = ann.post(delete, {"post": "yes"}, follow=True)
    assert answer.status_code == 200
    assert not Schedule.objects.exists()
    assert AuditEntry.objects.filter(action="remove_schedule", actor="ann").exists()


def test_one_of_the_code_can_be_paused_but_neither_changed_nor_deleted(ann, operation):
    scheduling.put("default", Plan(name="c", operation=operation, interval_seconds=60), CODE, None)
    made = Schedule.objects.get()
    shown = ann.get(change(made.pk)).content.decode()
    assert 'name="_save"' not in shown
    assert "/do/pause_schedule/" in shown
    assert ann.post(change(made.pk), form(operation)).status_code == 403
    made.refresh_from_db()
    assert made.interval_seconds == 60
    assert ann.post(reverse("admin:docqueue_schedule_delete", args=[made.pk]), {"post": "yes"}).status_code == 403


def test_one_of_the_admin_can_be_deleted(ann, service, operation):
    made = service.add_schedule("s", operation, seconds=60)
    ann.post(reverse("admin:docqueue_schedule_delete", args=[made.pk]), {"post": "yes"})
    assert not Schedule.objects.exists()
    assert AuditEntry.objects.filter(action="remove_schedule", actor="ann").exists()


def test_who_may_only_look_changes_nothing(operator, service, operation):
    bob = operator("view_schedule", name="bob")
    made = service.add_schedule("s", operation, seconds=60)
    assert "/do/" not in bob.get(change(made.pk)).content.decode()
    assert bob.post(reverse("admin:docqueue_schedule_do", args=[made.pk, "run_now"])).status_code == 403
    assert bob.post(reverse(ADD), form(operation)).status_code == 403
    bob.post(reverse(LIST), {"action": "pause_chosen", "_selected_action": [made.pk]})
    assert Schedule.objects.get().paused_at is None


def test_nothing_hostile_comes_alive(ann, service, operation):
    evil = "<script>alert(1)</script>"
    made = service.add_schedule(evil, operation, seconds=60, payload={"x": evil})
    for paused in (False, True):
        if paused:
            service.pause_schedule(evil, reason=evil)
        Schedule.objects.update(last_error=evil, last_error_at=T0)
        for page in (reverse(LIST), change(made.pk)):
            assert evil not in ann.get(page).content.decode()
