"""The tables as Django models: reading is free, changing an item is the service's."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import DatabaseError, transaction

from docqueue.exceptions import IllegalTransition
from docqueue.models import AnyItem, QueueItem
from docqueue.states import Status
from tests.docqueue.helpers import OPERATION, T0, in_state, row

pytestmark = pytest.mark.django_db


def loaded(service) -> QueueItem:
    return QueueItem.objects.get(pk=service.enqueue("d", OPERATION, ordering_key=None, now=T0).id)


def refused(item: QueueItem, **kwargs) -> None:
    before = row(item.pk) if item.pk else None
    with pytest.raises(IllegalTransition, match=r"QueueItem\.save") as caught:
        item.save(**kwargs)
    assert "DocumentQueueService" in caught.value.hint
    if item.pk:
        assert row(item.pk) == before


def test_save_can_not_change_the_status(service):
    item = loaded(service)
    item.status = Status.DEAD
    refused(item)
    refused(item, update_fields=["status"])


def test_save_can_not_change_a_status_that_was_not_loaded(service):
    for item in (QueueItem.objects.only("id").get(pk=loaded(service).pk), QueueItem.objects.defer("status").last()):
        item.status = Status.IN_PROGRESS
        refused(item)
        refused(item, update_fields=["status"])
    item = QueueItem.objects.defer("payload").get(pk=item.pk)
    item.status = Status.IN_PROGRESS
    assert item.payload == {}, "reading a column that was left out does not make the change the database's"
    refused(item)


def test_save_can_not_make_an_item(service):
    refused(QueueItem(operation=OPERATION, status=Status.PENDING, max_attempts=1, timeout_seconds=1))
    copy = loaded(service)
    copy.pk = None
    copy._state.adding = True
    refused(copy)


@pytest.mark.parametrize("field", ["claim_token", "worker_id", "attempt", "holds_key", "wait_reason", "position"])
def test_save_can_not_be_asked_to_write_what_is_the_services(service, field):
    refused(loaded(service), update_fields=["priority", field])


def test_what_may_be_changed_is_saved(service):
    item = loaded(service)
    item.priority, item.payload, item.max_attempts, item.timeout_seconds, item.queue = 9, {"b": 2}, 2, 3.5, "other"
    item.metadata = {"m": 1}
    item.save()
    item.refresh_from_db()
    assert (item.priority, item.payload, item.max_attempts, item.timeout_seconds) == (9, {"b": 2}, 2, 3.5)
    assert (item.queue, item.metadata) == ("other", {"m": 1})


def test_a_stale_object_does_not_take_an_item_away_from_its_claimer(service):
    """It was loaded while pending; saving its priority must not write the old status and fence back."""
    item = loaded(service)
    claim = service.mark_in_progress(item.pk, now=T0)
    item.priority = 9
    item.save()
    stored = row(item.pk)
    assert (stored["status"], stored["claim_token"], stored["priority"]) == ("in_progress", claim.claim_token, 9)
    service.mark_completed(claim, now=T0)


def test_after_a_refresh_the_object_can_be_saved_again(service):
    item = loaded(service)
    service.mark_in_progress(item.pk, now=T0)
    item.refresh_from_db()
    item.priority = 3
    item.save()
    assert (row(item.pk)["priority"], row(item.pk)["status"]) == (3, "in_progress")


def test_saving_an_item_that_has_finished_says_so_and_makes_none(service):
    item = loaded(service)
    service.cancel(item.pk, now=T0)
    with pytest.raises(DatabaseError), transaction.atomic():
        item.save()
    assert row(item.pk) is None


def test_the_one_list_shows_live_and_finished_items(service):
    ids = {status: in_state(service, status)[0] for status in Status}
    found = {item.id: item.status for item in AnyItem.objects.all()}
    assert {status: found[item_id] for status, item_id in ids.items()} == {s: s.value for s in Status}
    assert AnyItem.objects.filter(finished_at__isnull=False).count() == 2


def test_the_models_and_the_migrations_agree():
    call_command("makemigrations", "docqueue", check=True, dry_run=True, verbosity=0)


def test_the_migrations_can_be_taken_back_as_sql():
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    plan = executor.migration_plan([("docqueue", None)])
    assert plan
    assert all(operation.reversible for migration, _ in plan for operation in migration.operations)
