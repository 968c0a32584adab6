"""The service in a user's hands: each verb asks for its own permission, whatever the page before has asked."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.core.management import CommandError, call_command

from docqueue import roles
from docqueue.acting import PERMISSIONS
from docqueue.exceptions import InvalidBulk, NotAllowed
from docqueue.models import AuditEntry, Schedule
from docqueue.roles import OPERATORS, READERS
from docqueue.service import DocumentQueueService
from docqueue.states import Status
from tests.docqueue.helpers import OPERATION, worker

pytestmark = pytest.mark.django_db

CALLS: dict[str, tuple[Any, ...]] = {
    "requeue": (1,),
    "run_now": (1,),
    "cancel": (1,),
    "discard": (1,),
    "change_priority": (1, 5),
    "clone": (1,),
    "acknowledge_failure": ("f",),
    "unacknowledge_failure": ("f",),
    "pause_queue": ("q",),
    "resume_queue": ("q",),
    "quiet_worker": (1,),
    "unquiet_worker": (1,),
    "stop_worker": (1,),
    "seal_batch": (1,),
    "add_schedule": ("s", OPERATION),
    "pause_schedule": ("s",),
    "resume_schedule": ("s",),
    "remove_schedule": ("s",),
    **{f"bulk {action}": (action,) for action in ("requeue", "cancel", "discard", "purge", "priority")},
}


def user(*permissions: str, name: str = "ann") -> User:
    found = User.objects.create_user(name)
    codenames = [one.removeprefix("docqueue.") for one in permissions]
    known = Permission.objects.filter(content_type__app_label="docqueue", codename__in=codenames)
    assert len(known) == len(codenames)
    found.user_permissions.set(known)
    return found


def test_every_verb_of_people_is_tried_here() -> None:
    assert CALLS.keys() == PERMISSIONS.keys()


@pytest.mark.parametrize("verb", CALLS)
@pytest.mark.parametrize("who", ["nobody", "all but this"])
def test_without_its_permission_a_verb_changes_nothing(service: DocumentQueueService, verb: str, who: str) -> None:
    others = sorted({one for one in PERMISSIONS.values() if one != PERMISSIONS[verb]})
    actor: Any = AnonymousUser() if who == "nobody" else user(*others)
    with pytest.raises(NotAllowed, match=PERMISSIONS[verb]):
        getattr(service.acting_as(actor), verb.split(maxsplit=1)[0])(*CALLS[verb])
    assert not AuditEntry.objects.exists()


def test_with_it_the_verb_is_done_and_the_audit_has_the_users_name(service: DocumentQueueService) -> None:
    item = service.enqueue(None, OPERATION).id
    acting = service.acting_as(user("docqueue.cancel_item"))
    assert acting.cancel(item, reason="spam") == Status.CANCELLED
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.reason) == ("cancel", "ann", "spam")


def test_nobody_can_act_in_anothers_name(service: DocumentQueueService) -> None:
    item = service.enqueue(None, OPERATION).id
    with pytest.raises(TypeError, match="by"):
        service.acting_as(user("docqueue.cancel_item")).cancel(item, by="somebody else")
    assert service.get_status(item) == Status.PENDING


def test_an_inactive_user_may_do_nothing(service: DocumentQueueService) -> None:
    ann = user("docqueue.manage_workers")
    ann.is_active = False
    with pytest.raises(NotAllowed):
        service.acting_as(ann).stop_worker(worker())


def test_a_bulk_operation_takes_what_its_action_does_to_start_and_to_abort(service: DocumentQueueService) -> None:
    service.enqueue(None, OPERATION)
    canceller, purger = user("docqueue.cancel_item"), user("docqueue.delete_historyitem", name="bob")
    started = service.acting_as(canceller).bulk("cancel", everything=True)
    with pytest.raises(NotAllowed, match="cancel_item"):
        service.acting_as(purger).bulk_abort(started.pk)
    assert service.bulk_status(started.pk).state == "running"
    assert service.acting_as(canceller).bulk_abort(bulk_id=started.pk).state == "aborted"
    with pytest.raises(InvalidBulk):
        service.acting_as(canceller).bulk("explode", everything=True)


def test_to_change_a_schedule_takes_another_permission_than_to_add_one(service: DocumentQueueService) -> None:
    adder, changer = user("docqueue.add_schedule"), user("docqueue.change_schedule", name="bob")
    with pytest.raises(NotAllowed):
        service.acting_as(changer).add_schedule("s", OPERATION, seconds=60)
    service.acting_as(adder).add_schedule("s", OPERATION, seconds=60)
    with pytest.raises(NotAllowed):
        service.acting_as(adder).add_schedule("s", OPERATION, seconds=90)
    service.acting_as(changer).add_schedule("s", OPERATION, seconds=90)
    with pytest.raises(NotAllowed, match="change_schedule"):
        service.acting_as(adder).run_now(Schedule.objects.get())
    assert service.acting_as(changer).run_now("s").id


def test_what_is_no_verb_of_people_is_not_there(service: DocumentQueueService) -> None:
    with pytest.raises(AttributeError):
        service.acting_as(user()).mark_completed  # noqa: B018


def test_the_roles_are_made_once_and_readers_can_change_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("queue_roles")
    call_command("queue_roles")
    assert "Queue readers: there already, 0 permissions added" in capsys.readouterr().out
    reader, chief = User.objects.create_user("rea"), User.objects.create_user("chief")
    reader.groups.add(Group.objects.get(name=READERS))
    chief.groups.add(Group.objects.get(name=OPERATORS))
    assert reader.has_perm("docqueue.view_queueitem")
    assert all(chief.has_perm(one) for one in PERMISSIONS.values())
    for one in (*PERMISSIONS.values(), "docqueue.view_payload", "docqueue.view_attempt"):
        assert not reader.has_perm(one), one
    extra = Permission.objects.get(codename="view_payload")
    Group.objects.get(name=READERS).permissions.add(extra)
    call_command("queue_roles")
    assert extra in Group.objects.get(name=READERS).permissions.all()


def test_an_app_adds_its_permissions_to_the_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "_read", {})
    monkeypatch.setattr(roles, "_act", {})
    roles.register("auth", read=["auth.view_group"], act=["auth.add_group"])
    call_command("queue_roles")
    rights = {one.name: {*one.permissions.values_list("codename", flat=True)} for one in Group.objects.all()}
    assert rights == {READERS: {"view_group"}, OPERATORS: {"view_group", "add_group"}}


def test_a_permission_of_an_app_that_has_no_tables_yet_is_missed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "_read", {"nowhere": frozenset({"nowhere.view_thing"})})
    with pytest.raises(CommandError, match=r"nowhere\.view_thing.* migrate"):
        call_command("queue_roles")
    assert not Group.objects.exists()
