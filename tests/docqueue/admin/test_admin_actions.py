"""What an operator may do: requeue, cancel, discard; confirmed, audited, and told who was first."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.urls import reverse

from docqueue.models import AuditEntry
from docqueue.states import Status
from tests.docqueue.admin.conftest import VIEWS

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]
ITEMS, DEAD = "docqueue_queueitem", "docqueue_deaditem"


def act(client, model, action, ids, **more):
    """Choose an action for the rows ticked in a list."""
    data = {"action": action, "_selected_action": [str(i) for i in ids], "index": 0, **more}
    return client.post(reverse(f"admin:{model}_changelist"), data)


def do(client, item, verb, model=ITEMS, **data):
    """Press a button on an item's page."""
    return client.post(reverse(f"admin:{model}_do", args=[item, verb]), data)


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def audit():
    return [(e.actor, e.action, e.item_id, e.reason) for e in AuditEntry.objects.order_by("id")]


def test_chosen_dead_letters_are_requeued_at_once(ann, service, dead):
    made = [dead() for _ in range(3)]

    answer = act(ann, DEAD, "requeue", made[:2])

    assert answer.status_code == 302
    assert said(answer) == ["2 items requeued."]
    assert [service.get_status(i) for i in made] == [Status.PENDING, Status.PENDING, Status.DEAD]
    assert audit() == [("ann", "requeue", i, "") for i in made[:2]]
    assert LogEntry.objects.count() == 2


def test_discarding_asks_first_with_the_count_and_keeps_the_reason(ann, service, dead):
    made = [dead(), dead()]

    asked = act(ann, DEAD, "discard", made)
    page = asked.content.decode()

    assert asked.status_code == 200
    assert "Discard 2 items?" in page
    assert "Yes, Discard 2 items" in page
    assert {service.get_status(i) for i in made} == {Status.DEAD}
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="(\w+)"', page)
    assert ("confirmed", "yes") in fields
    assert [value for name, value in fields if name == "_selected_action"] == [str(i) for i in made]

    answer = act(ann, DEAD, "discard", made, confirmed="yes", reason="too old")

    assert said(answer) == ["2 items discarded."]
    assert {service.get_status(i) for i in made} == {Status.CANCELLED}
    assert audit() == [("ann", "discard", i, "too old") for i in made]
    assert {entry.change_message for entry in LogEntry.objects.all()} == {"discard: too old"}


def test_cancelling_asks_first_and_asks_running_handlers_to_stop(ann, service, operation):
    idle = service.enqueue(None, operation).id
    running = service.mark_in_progress(service.enqueue(None, operation)).id

    assert "Cancel 2 items?" in act(ann, ITEMS, "cancel", [idle, running]).content.decode()
    assert service.get_status(idle) == Status.PENDING

    answer = act(ann, ITEMS, "cancel", [idle, running], confirmed="yes")

    assert said(answer) == ["1 item cancelled.", "1 running item was asked to stop."]
    assert service.get_item(running).cancel_requested_at


def test_what_waits_for_its_time_can_be_run_now(ann, service, operation):
    item = service.enqueue(None, operation, delay_seconds=3600).id
    act(ann, ITEMS, "requeue", [item])
    assert service.get_status(item) == Status.PENDING


def test_the_loser_of_a_race_is_told_item_by_item_who_was_first(ann, service, dead):
    mine, taken, gone = dead(), dead(), dead()
    service.requeue(taken, by="bob")
    service.discard(gone, by="cid", reason="spam")

    lines = said(act(ann, DEAD, "requeue", [mine, taken, gone]))

    assert lines[0] == "1 item requeued."
    assert re.fullmatch(
        rf"Skipped: Item {taken} is pending: requeue is not possible. Last: requeue by bob, \d+ s ago.", lines[1]
    )
    assert "is cancelled" in lines[2]
    assert "discard by cid" in lines[2]
    assert [entry for entry in audit() if entry[0] == "ann"] == [("ann", "requeue", mine, "")]


def test_many_skipped_items_are_summed_up(ann, dead, service):
    made = [dead() for _ in range(12)]
    for item in made:
        service.requeue(item)
    lines = said(act(ann, DEAD, "requeue", made))
    assert len(lines) == 11
    assert lines[-1] == "… and 2 more skipped."


def test_an_item_that_never_was_is_skipped_with_a_word(ann):
    assert said(act(ann, DEAD, "requeue", [10**15])) == [f"Skipped: There is no item {10**15}."]


def test_only_ticked_rows_are_touched_whatever_the_form_claims(ann, service, dead):
    made = [dead() for _ in range(3)]
    act(ann, DEAD, "requeue", made[:1], select_across="1")
    assert [service.get_status(i) for i in made] == [Status.PENDING, Status.DEAD, Status.DEAD]


def test_an_item_is_requeued_from_its_page_with_a_reason(ann, service, dead):
    item = dead()

    answer = do(ann, item, "requeue", model=DEAD, reason=" fixed ")

    assert answer.status_code == 302
    assert answer["Location"] == reverse(f"admin:{ITEMS}_change", args=[item])
    assert service.get_status(item) == Status.PENDING
    assert audit() == [("ann", "requeue", item, "fixed")]


@pytest.mark.parametrize("verb", ["cancel", "discard"])
def test_from_its_page_an_item_is_given_up_only_after_a_question(ann, service, dead, verb):
    item = dead()

    asked = do(ann, item, verb, reason="old")
    assert asked.status_code == 200
    assert 'value="old"' in asked.content.decode()
    assert service.get_status(item) == Status.DEAD

    answer = do(ann, item, verb, reason="old", confirmed="yes")
    assert service.get_status(item) == Status.CANCELLED
    assert audit() == [("ann", verb, item, "old")]
    followed = ann.get(answer["Location"], follow=True)
    assert followed.redirect_chain == [(reverse("admin:docqueue_historyitem_change", args=[item]), 302)]
    assert followed.status_code == 200


def test_looking_at_a_verb_changes_nothing(ann, service, dead):
    item = dead()
    for verb in ("requeue", "discard", "cancel"):
        assert ann.get(reverse(f"admin:{DEAD}_do", args=[item, verb])).status_code == 200
    assert service.get_status(item) == Status.DEAD


def test_there_is_no_other_verb(ann, dead):
    assert do(ann, dead(), "enqueue").status_code == 403


@pytest.mark.parametrize(
    ("permission", "allowed"), [("requeue_item", {"requeue"}), ("cancel_item", {"cancel", "discard"}), (None, set())]
)
def test_each_verb_needs_its_permission(operator, service, dead, permission, allowed):
    bob = operator(*VIEWS, *([permission] if permission else []), name="bob")
    item = dead()

    offered = ann_actions(bob, ITEMS) | ann_actions(bob, DEAD)
    assert offered == allowed
    page = bob.get(reverse(f"admin:{DEAD}_change", args=[item])).content.decode()
    for verb in ("requeue", "cancel", "discard"):
        button = f"/do/{verb}/"
        assert (button in page) == (verb in allowed and verb != "cancel")
        if verb not in allowed:
            assert do(bob, item, verb, confirmed="yes").status_code == 403
            act(bob, DEAD if verb == "discard" else ITEMS, verb, [item], confirmed="yes")
    assert service.get_status(item) == Status.DEAD
    assert not AuditEntry.objects.exists()


def ann_actions(client, model):
    """The actions that a list offers."""
    form = client.get(reverse(f"admin:{model}_changelist")).context["action_form"]
    return {name for name, _ in form.fields["action"].choices if name} if form else set()


def test_whoever_can_not_see_items_can_not_act_on_them_either(operator, service, dead):
    item = dead()
    bob = operator("requeue_item", name="bob")
    assert do(bob, item, "requeue").status_code == 403
    assert act(bob, DEAD, "requeue", [item]).status_code == 403
    assert service.get_status(item) == Status.DEAD
