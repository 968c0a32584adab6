"""The pages of dead letters by their cause."""

import json
import re
from datetime import UTC, datetime

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from docqueue import outcomes
from docqueue.admin import charts
from docqueue.maintenance import bulk, failures
from docqueue.models import AuditEntry, BulkOperation, FailureGroup, Resolution
from docqueue.states import Status
from tests.docqueue.admin.conftest import ALL, OPERATION
from tests.docqueue.helpers import T0, later

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]
LIST = "admin:docqueue_failuregroup_changelist"
CHIEF = (*ALL, "acknowledge_failure", "view_bulkoperation")
HOSTILE = "\"><script>alert('x')</script> \u202etxt.exe"


@pytest.fixture
def chief(operator):
    return operator(*CHIEF, name="cleo")


@pytest.fixture
def died(service, operation):
    """Make an item that died of this, at this time."""

    def make(message, at=T0, code="broken"):
        item = service.mark_in_progress(service.enqueue("d7", operation, now=at, ordering_key=None), now=at)
        service.mark_failed(item, message, code=code, traceback="Traceback: line 1", retryable=False, now=at)
        return item.id

    return make


COUNTED_AT = later(100)


def counted(now=COUNTED_AT):
    failures.run("default", now)
    return {group.error_message: group.pk for group in FailureGroup.objects.all()}


def shown(client, name, *args, query=""):
    answer = client.get(reverse(name, args=args) + query)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def do(client, fingerprint, verb, **given):
    return client.post(reverse("admin:docqueue_failuregroup_do", args=[fingerprint, verb]), given)


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_causes_are_listed_with_their_counts_and_lead_to_their_items(chief, died):
    ids = [died("page 1 is torn"), died("page 2 is torn"), died("the ink is dry", later(5))]
    marks = counted()
    listed = shown(chief, LIST)
    assert listed.index("the ink is dry") < listed.index("page 2 is torn")
    items = reverse("admin:docqueue_deaditem_changelist") + f"?fingerprint={marks['page 2 is torn']}"
    assert f'href="{items}">2</a>' in listed
    those = chief.get(items).content.decode()
    assert all(f"#{i}" in those for i in ids[:2])
    assert f"#{ids[2]}" not in those


def test_a_cause_without_dead_items_is_not_listed_and_its_page_says_so(chief, died, service):
    item_id = died("no")
    (mark,) = counted().values()
    service.requeue(item_id, now=later(101))
    counted(later(200))
    assert "No item is dead" in shown(chief, LIST)
    assert "None is dead any more" in shown(chief, "admin:docqueue_failuregroup_change", mark)


def test_pages_follow_one_another_though_many_died_at_once(chief, died, monkeypatch):
    from docqueue.admin.failures import FailureGroupAdmin

    monkeypatch.setattr(FailureGroupAdmin, "list_per_page", 2)
    words = ["one", "two", "three", "four", "five"]
    for word in words:
        died(f"{word} is wrong")
    counted()
    seen, query = [], ""
    for _ in range(5):
        page = shown(chief, LIST, query=query)
        seen += re.findall(r">(\w+) is wrong<", page)
        following = re.search(r'href="(\?p=\d{20,})"', page)
        if not following:
            break
        query = following.group(1)
    assert sorted(seen) == sorted(words)


@pytest.mark.parametrize("page", ["0", "-5", "9" * 60, "2"])
def test_a_page_that_nobody_has_linked_to_is_no_error(chief, died, page):
    died("no")
    counted()
    assert chief.get(reverse(LIST) + f"?p={page}", follow=True).status_code == 200


def test_the_page_of_a_cause_shows_its_items_and_the_traceback_of_one(chief, died):
    ids = [died(f"page {n} is torn") for n in range(12)]
    (mark,) = counted().values()
    page = shown(chief, "admin:docqueue_failuregroup_change", mark)
    assert "Traceback: line 1" in page
    assert page.count("is torn</td>") == 10
    assert "… and 2 more" in page
    assert f"#{ids[11]}" in page
    assert "died in each of the last 24 hours, the earliest first: 0, 0" in page


def test_all_of_a_cause_are_requeued_after_a_question_with_their_number(chief, died, service):
    ids = [died("no"), died("no")]
    (mark,) = counted().values()
    asked = chief.get(reverse("admin:docqueue_failuregroup_do", args=[mark, "requeue"])).content.decode()
    assert "Requeue all?" in asked
    assert re.search(r"dead items</th><td[^>]*>2</td>", asked)
    assert 'value="Yes, Requeue all (2 items)"' in asked
    assert not BulkOperation.objects.exists()

    answer = do(chief, mark, "requeue", confirmed="yes", reason="fixed")

    operation = BulkOperation.objects.get()
    assert answer["Location"] == reverse("admin:docqueue_bulkoperation_change", args=[operation.pk])
    assert said(answer) == [f"Bulk operation {operation.pk} was started: the workers do it, 2 items in all."]
    assert (operation.filter, operation.reason) == ({"fingerprint": mark, "status": ["dead"]}, "fixed")
    bulk.run("default")
    assert {service.get_status(i) for i in ids} == {Status.PENDING}
    assert AuditEntry.objects.filter(action="bulk_requeue", actor="cleo", reason="fixed").exists()


def test_ten_go_first_and_the_page_of_the_operation_says_what_stopped_it(chief, died, service):
    ids = [died("no") for _ in range(12)]
    (mark,) = counted().values()
    do(chief, mark, "canary", confirmed="yes")
    bulk.run("default")
    assert [service.get_status(i) for i in ids] == [Status.PENDING] * 10 + [Status.DEAD] * 2
    service.move_to_dead(service.mark_in_progress(ids[3]), "no", code="broken")
    bulk.run("default")
    operation = BulkOperation.objects.get()
    page = shown(chief, "admin:docqueue_bulkoperation_change", operation.pk)
    assert f"canary: item {ids[3]} failed again (broken)" in page


def test_the_second_of_two_is_told_who_saw_to_the_cause_before(chief, operator, died, service):
    died("no")
    (mark,) = counted().values()
    bob = operator(*CHIEF, name="bob")
    do(bob, mark, "acknowledge", confirmed="yes", reason="on it")
    told = said(do(chief, mark, "acknowledge", confirmed="yes", reason="me too"))
    assert told == ["Acknowledged.", "bob had acknowledged it already: your note stands in place of that one."]
    do(bob, mark, "requeue", confirmed="yes")
    bulk.run("default")
    answer = do(chief, mark, "discard", confirmed="yes", reason="old")
    assert answer["Location"] == reverse("admin:docqueue_failuregroup_change", args=[mark])
    told = said(answer)[-1]
    assert "Nothing of it is dead any more" in told
    assert "Last: bulk_requeue_done by bob, 0 s ago." in told


def test_the_page_of_a_cause_names_the_exception_and_the_frame_of_our_own_that_raised_it(chief, service, operation):
    try:
        json.loads("{")
    except ValueError as error:
        outcome = outcomes.from_exception(error)
    item = service.mark_in_progress(service.enqueue(None, operation))
    said = {"code": outcome.code, "traceback": outcome.traceback, "retryable": False}
    service.mark_failed(item, outcome.message, **said)
    (mark,) = counted().values()
    page = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", shown(chief, "admin:docqueue_failuregroup_change", mark)))
    assert "json.decoder.JSONDecodeError" in page
    assert re.search(r"Raised in: test_admin_failures.py:\d+ in test_the_page_of_a_cause_names", page)
    assert re.search(rf"One of them: #{item.id} ", page)
    assert outcomes.told_by("") == ("", "")
    assert outcomes.told_by("Traceback: line 1") == ("", "")


def test_few_items_need_no_canary(chief, died):
    died("no")
    (mark,) = counted().values()
    page = shown(chief, "admin:docqueue_failuregroup_change", mark)
    assert "Requeue all" in page
    assert "Requeue 10 first" not in page


def test_all_of_a_cause_are_discarded(chief, died, service):
    item_id = died("no")
    (mark,) = counted().values()
    do(chief, mark, "discard", confirmed="yes", reason="old")
    bulk.run("default")
    assert service.get_status(item_id) == Status.CANCELLED


def test_others_see_who_is_at_it_until_something_dies_of_it_again(chief, died):
    died("no")
    (mark,) = counted().values()
    assert said(do(chief, mark, "acknowledge", confirmed="yes", reason="on it")) == ["Acknowledged."]
    assert "cleo" in (listed := shown(chief, LIST))
    assert "on it" in listed
    died("no", FailureGroup.objects.get().acknowledged_at + (later(1) - T0))
    FailureGroup.objects.update(counted_at=T0)
    counted(None)
    assert "nobody: more have died since" in shown(chief, LIST)
    do(chief, mark, "acknowledge", confirmed="yes")
    do(chief, mark, "unacknowledge", confirmed="yes")
    assert FailureGroup.objects.get().acknowledged_at is None


@pytest.mark.parametrize(
    ("verb", "permission"),
    [
        ("requeue", "requeue_item"),
        ("canary", "requeue_item"),
        ("discard", "cancel_item"),
        ("acknowledge", "acknowledge_failure"),
        ("unacknowledge", "acknowledge_failure"),
    ],
)
def test_each_verb_needs_its_permission_and_says_so(operator, died, verb, permission):
    died("no")
    (mark,) = counted().values()
    every = {"requeue_item", "cancel_item", "acknowledge_failure"}
    reader = operator("view_queueitem", *sorted(every - {permission}))
    assert do(reader, mark, verb, confirmed="yes").status_code == 403
    assert f"/do/{verb}/" not in shown(reader, "admin:docqueue_failuregroup_change", mark)
    blind = operator(permission, name="bob")
    assert do(blind, mark, verb, confirmed="yes").status_code == 403
    assert not BulkOperation.objects.exists()
    eve = operator("view_queueitem", permission, name="eve")
    assert do(eve, mark, verb, confirmed="yes", reason="so").status_code == 302


def test_a_cause_that_there_is_not_and_a_verb_that_there_is_not(chief):
    assert do(chief, "0" * 16, "requeue", confirmed="yes").status_code == 302
    assert do(chief, "0" * 16, "explode", confirmed="yes").status_code == 403


def test_hostile_messages_are_inert_on_each_page(chief, died):
    died(HOSTILE)
    (mark,) = counted().values()
    for page in (
        shown(chief, LIST),
        shown(chief, "admin:docqueue_failuregroup_change", mark),
        chief.get(reverse("admin:docqueue_failuregroup_do", args=[mark, "discard"])).content.decode(),
    ):
        assert "<script>alert" not in page
        assert "&lt;script&gt;" in page


def test_how_quickly_people_saw_to_dead_items_is_told(chief, died, service):
    assert "In the last 7 days nobody had to see to a dead item. The aim: to 95 of 100 within 5 min." in shown(
        chief, LIST
    )
    item_id = died("no", None)
    service.requeue(item_id)
    assert "In the last 7 days people saw to 1 dead item, within 0 s (the aim: 5 min)." in shown(chief, LIST)
    Resolution.objects.create(at=datetime.now(UTC), seconds=900, number=1)
    assert "people saw to 2 dead items: to half of them within" in shown(chief, LIST)
    assert "to 95 of 100 within 15 min (the aim: 5 min, which was missed)." in shown(chief, LIST)


def test_a_sparkline_has_a_bar_for_each_value_and_says_them():
    drawn = charts.sparkline([0, 1, 100], "died & gone")
    assert drawn.count("<rect") == 2
    assert 'height="20"></rect>' in drawn, "the highest"
    assert 'height="1"></rect>' in drawn, "what is there is seen"
    assert "died &amp; gone: 0, 1, 100" in drawn
    assert charts.sparkline([], "nothing").count("<rect") == 0


def test_operation_names_are_shown(chief, died):
    died("no")
    counted()
    assert OPERATION in shown(chief, LIST)
