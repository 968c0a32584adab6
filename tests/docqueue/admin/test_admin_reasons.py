"""Nobody gives items up without saying why; and what a question says is about what it would be done to."""

import re

import pytest
from django.urls import reverse

from docqueue.maintenance import bulk, failures
from docqueue.models import AuditEntry, BulkOperation, FailureGroup
from docqueue.states import Status
from tests.docqueue.admin.conftest import ALL

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]
LACKING = "Nothing was done yet: this takes a reason"


@pytest.fixture
def chief(operator):
    return operator(*ALL, "view_bulkoperation", name="cleo")


def address(name, *args):
    return reverse(f"admin:docqueue_{name}", args=args)


def discards(dead):
    """By each way to discard a dead item: where it is asked for, and what its form sends."""
    item = dead()
    failures.run("default")
    cause = FailureGroup.objects.get().pk
    ticked = {"action": "discard", "_selected_action": [item]}
    return {
        "item": (address("queueitem_do", item, "discard"), {}),
        "dead letter": (address("deaditem_do", item, "discard"), {}),
        "ticked": (address("deaditem_changelist"), ticked),
        "all that match": (address("deaditem_bulk", "discard") + "?queue=demo", {}),
        "cause": (address("failuregroup_do", cause, "discard"), {}),
    }


@pytest.mark.parametrize("way", ["item", "dead letter", "ticked", "all that match", "cause"])
def test_a_discard_takes_a_reason_in_the_admin(chief, service, dead, way):
    there, sent = discards(dead)[way]
    asked = chief.post(there, sent).content.decode()
    assert re.search(r'name="reason"[^>]* required', asked)
    assert LACKING not in asked
    for nothing in ("", "  "):
        again = chief.post(there, {**sent, "confirmed": "yes", "reason": nothing})
        assert again.status_code == 200
        assert LACKING in again.content.decode()
    assert not AuditEntry.objects.exists()
    assert not BulkOperation.objects.exists()
    assert chief.post(there, {**sent, "confirmed": "yes", "reason": " spam "}).status_code == 302
    bulk.run("default")
    assert {entry.reason for entry in AuditEntry.objects.all()} == {"spam"}
    assert AuditEntry.objects.exists()


def test_a_program_discards_without_one_and_a_requeue_takes_none(chief, service, dead):
    service.discard(dead())
    item = dead()
    chief.post(address("deaditem_do", item, "requeue"))
    assert service.get_status(item) == Status.PENDING


@pytest.mark.parametrize(
    ("model", "query", "told", "untold"),
    [
        ("queueitem", "", "They run again from their first attempt.", "wait for their time"),
        ("deaditem", "", "They run again from their first attempt.", "wait for their time"),
        ("queueitem", "?status=waiting", "They wait for their time no longer: they run now.", "first attempt"),
    ],
)
def test_the_question_of_a_requeue_speaks_of_those_that_it_takes(chief, dead, model, query, told, untold):
    dead()
    asked = chief.get(address(f"{model}_bulk", "requeue") + query).content.decode()
    assert told in asked
    assert untold not in asked


def test_one_item_is_no_items_on_the_button(chief, dead):
    dead()
    asked = chief.get(address("deaditem_bulk", "requeue")).content.decode()
    assert 'value="Yes, Requeue all that match (1 item)"' in asked
