"""Scenes of items that come after others, and of batches."""

from __future__ import annotations

from docqueue import batching, family, store
from docqueue.admission import dependencies
from docqueue.flows import Batch
from docqueue.maintenance import promote, prune
from docqueue.models import Batch as BatchRow
from docqueue.models import Dependency
from docqueue.service import ClaimedItem, DocumentQueueService, NewItem, Rules
from tests.docqueue.crash_points.scenes import scene
from tests.docqueue.crash_points.stages import NEXT_YEAR, nothing
from tests.docqueue.helpers import OPERATION, T0

CALLBACK = NewItem(operation=OPERATION, payload={"end": True})


def parent(service: DocumentQueueService) -> ClaimedItem:
    """One that runs, with a child for each of the ways that go on if it fails, one behind that, and one behind two."""
    first, other = (service.enqueue(None, OPERATION, now=T0).id for _ in range(2))
    service.enqueue(None, OPERATION, after=[first], if_parent_fails="run", now=T0)
    child = service.enqueue(None, OPERATION, after=[first], if_parent_fails="cancel", unique_key="u", now=T0)
    service.enqueue(None, OPERATION, after=[child], if_parent_fails="cancel", now=T0)
    service.enqueue(None, OPERATION, after=[first, other], if_parent_fails="run", now=T0)
    return service.mark_in_progress(first, now=T0)


def unheard(service: DocumentQueueService) -> None:
    """The same, and the first was deleted by hand."""
    claim = parent(service)
    with store.connection("default").cursor() as cursor:
        cursor.execute("delete from docqueue_item where id = %s", [claim.id])


def failed(service: DocumentQueueService) -> int:
    """One that was cancelled."""
    item = service.enqueue(None, OPERATION, now=T0).id
    service.cancel(item, now=T0)
    return item


def batch(service: DocumentQueueService) -> Batch:
    """An open batch with an item."""
    new = service.batch("b", on_complete=CALLBACK, on_failure=CALLBACK, now=T0)
    new.add([NewItem(operation=OPERATION)], now=T0)
    return new


def ended(service: DocumentQueueService) -> Batch:
    """A sealed batch whose item has died."""
    new = batch(service)
    new.seal(now=T0)
    service.move_to_dead(service.claim(1, now=T0)[0], "no", now=T0)
    return new


def old(service: DocumentQueueService) -> None:
    """What is left of a batch and a dependency of long ago."""
    BatchRow.objects.create(created_at=T0 - NEXT_YEAR, sealed_at=T0 - NEXT_YEAR, finished_at=T0 - NEXT_YEAR)
    Dependency.objects.create(child_id=1, parent_id=2, outcome="completed")


@scene(nothing, "enqueue_gated")
def enqueue_with_rules(service: DocumentQueueService, given: None) -> None:
    service.enqueue(None, OPERATION, tenant="t", now=T0)


@scene(nothing, "commit")
def enqueue_after_another(service: DocumentQueueService, given: None) -> None:
    first = NewItem(operation=OPERATION)
    service.enqueue_many([first, NewItem(operation=OPERATION, rules=Rules(after=[first]))], now=T0)


@scene(failed, "commit")
def enqueue_after_one_that_failed(service: DocumentQueueService, given: int) -> None:
    """The new item ends at once, in the transaction that makes it."""
    service.enqueue(None, OPERATION, after=[given], if_parent_fails="cancel", now=T0)


@scene(parent, "complete promote_children forget_caller")
def complete_a_parent(service: DocumentQueueService, given: ClaimedItem) -> None:
    service.mark_completed(given, result={"n": 1}, now=T0)


@scene(parent, "settle promote_children promote_children forget_caller")
def fail_a_parent(service: DocumentQueueService, given: ClaimedItem) -> None:
    """The one behind the child that is cancelled is so in turn."""
    service.move_to_dead(given, "no", now=T0)


@scene(unheard, "promote_children promote_children")
def promote_what_nobody_announced(service: DocumentQueueService, given: None) -> None:
    promote.run("default", T0)
    assert dependencies.promote_all("default", T0) == 0


@scene(nothing, "create_batch commit seal_batch create_batch seal_batch commit")
def make_batches(service: DocumentQueueService, given: None) -> None:
    """One with an item, and an empty one: that is finished as soon as it is sealed."""
    new = service.batch("b", on_complete=CALLBACK, now=T0)
    new.add([NewItem(operation=OPERATION)], now=T0)
    new.seal(now=T0)
    service.batch("empty", on_complete=CALLBACK, now=T0).seal(now=T0)


@scene(batch, "commit")
def seal_a_batch_by_hand(service: DocumentQueueService, given: Batch) -> None:
    service.seal_batch(given, by="me", reason="why", now=T0)


@scene(ended, "commit")
def finish_a_batch(service: DocumentQueueService, given: Batch) -> None:
    batching.finish_all("default", T0)


@scene(old, "prune_dependencies prune_batches")
def prune_old_flows(service: DocumentQueueService, given: None) -> None:
    prune.run("default", T0)


@scene(parent, "")
def look_at_relatives(service: DocumentQueueService, given: ClaimedItem) -> None:
    family.parents("default", given.id)
    family.relatives("default", given.id, 10)
    store.run("default", "batch_status", {"ids": [1], "most": None})
