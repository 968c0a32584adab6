"""What has to be there before a scene begins."""

from __future__ import annotations

from datetime import timedelta

from docqueue import claiming, history, store
from docqueue.maintenance import reap
from docqueue.models import Attempt, Checkpoint, Key, Progress, Worker
from docqueue.service import ClaimedItem, DocumentQueueService, NewItem
from docqueue.steps import Steps
from tests.docqueue.helpers import OPERATION, T0, later, worker

NEXT_YEAR = timedelta(days=400)


def nothing(service: DocumentQueueService) -> None:
    """An empty queue."""


def some(service: DocumentQueueService) -> int:
    """Five pending items, and a worker that lives. Returns the worker."""
    service.enqueue_many([NewItem(operation=OPERATION, ordering_key=None) for _ in range(5)], now=T0)
    return worker(T0)


def line(service: DocumentQueueService) -> list[int]:
    """Three items of one key, the first of which is pending, and a unique key on each."""
    return [service.enqueue("d", OPERATION, unique_key=f"u{n}", now=T0).id for n in range(3)]


def claimed(service: DocumentQueueService) -> list[ClaimedItem]:
    """Two claims by one worker: the head of a line with a unique key, and one with a step, both with a progress."""
    line(service)
    other = service.enqueue(None, OPERATION, now=T0).id
    claims = service.claim(5, worker=worker(T0), now=T0)
    for claim in claims:
        store.run("default", "progress", {**fence(claim), "percent": 5, "stage": "s", "message": ""})
    Steps(next(c for c in claims if c.id == other), "default").run("before", lambda: 1, atomic=False)
    return claims


def as_caller(service: DocumentQueueService) -> ClaimedItem:
    """A claim outside of a worker."""
    return service.mark_in_progress(line(service)[0], now=T0)


def dead(service: DocumentQueueService) -> int:
    """A dead item with a step behind it, and two in line behind it."""
    claim = as_caller(service)
    Steps(claim, "default").run("before", lambda: 1, atomic=False)
    service.move_to_dead(claim, "hopeless", now=T0)
    return claim.id


def lost(service: DocumentQueueService) -> None:
    """A worker whose lease has run out, one that has stopped, each with items, one of them to be cancelled."""
    claims = claimed(service)
    service.cancel(claims[0].id, now=T0)
    stopped = worker(T0)
    service.enqueue(None, OPERATION, now=T0)
    service.claim(5, worker=stopped, now=T0)
    claiming.stop("default", stopped, T0)


def lost_alone(service: DocumentQueueService) -> None:
    """The same for a suspect that has crashed twice before: this time it dies of it."""
    claims = claimed(service)
    with store.connection("default").cursor() as cursor:
        cursor.execute("update docqueue_item set suspect = true, crashes = 2 where id = %s", [claims[0].id])


def suspects(service: DocumentQueueService) -> int:
    """Items that may have killed their worker. Returns another one."""
    lost(service)
    reap.run("default", later(60))
    return worker(later(60))


def waiting(service: DocumentQueueService) -> None:
    """Items whose time has come: a delayed one, one that failed, both of keys; and a line without a head."""
    service.enqueue("a", OPERATION, delay_seconds=5, now=T0)
    service.mark_failed(service.mark_in_progress(service.enqueue("b", OPERATION, now=T0).id, now=T0), "no", now=T0)
    for _ in range(2):
        service.enqueue("c", OPERATION, now=T0)
    service.claim(1, worker=worker(T0), now=T0)


def holders_gone(service: DocumentQueueService) -> None:
    """A unique key whose row has outlived its item, deleted by hand."""
    service.enqueue(None, OPERATION, unique_key="u", now=T0)
    with store.connection("default").cursor() as cursor:
        cursor.execute("delete from docqueue_item")


def a_new_week(service: DocumentQueueService) -> ClaimedItem:
    """A claim, and no partition for the week in which it will end."""
    for weeks in (0, 1):
        store.drop_partition("default", history.week(T0 + NEXT_YEAR + timedelta(weeks=weeks))[0])
    history.forget()
    return as_caller(service)


def an_old_partition(service: DocumentQueueService) -> None:
    """A partition whose time is over."""
    history.forget()
    history.ensure("default", T0 + NEXT_YEAR)
    history.forget()


def leftovers(service: DocumentQueueService) -> None:
    """Rows that belong to nobody any more, and a worker that was swept too early."""
    Attempt.objects.create(item_id=1, attempt=1, claim_no=1, outcome="failed", ended_at=T0 - NEXT_YEAR)
    Checkpoint.objects.create(item_id=1, name="step", created_at=T0)
    Key.objects.create(key="k", item_id=1, lifetime="period", expires_at=T0, created_at=T0 - NEXT_YEAR)
    Progress.objects.create(item_id=1, percent=1, updated_at=T0)
    old, holding = worker(T0 - NEXT_YEAR), worker(T0)
    Worker.objects.filter(id=old).update(lost_at=T0 - NEXT_YEAR)
    service.enqueue(None, OPERATION, now=T0)
    service.claim(1, worker=holding, now=T0)
    Worker.objects.filter(id=holding).update(lost_at=T0, swept_at=T0)


class Silent:
    """A channel that nobody listens at."""

    def progress(self, item: ClaimedItem, percent: int, stage: str, message: str) -> None:
        """`Channel`."""

    def cancel_requested(self, item: ClaimedItem) -> bool:
        """`Channel`."""
        return False


def fence(claim: ClaimedItem) -> dict[str, int]:
    """What a claim's writes carry."""
    return {"item_id": claim.id, "token": claim.claim_token}
