"""`process_document_queue`: a bounded run of the queue for cron, with executors for the length of the call."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from docqueue import claiming, history, store
from docqueue.conf import get_settings
from docqueue.duties import registered
from docqueue.exceptions import ConfigurationError, InvalidOption
from docqueue.maintenance import bulk, perform, promote, reap, schedule
from docqueue.models import Worker
from docqueue.worker.lease import Lease
from docqueue.worker.loop import WorkLoop
from docqueue.worker.pool import CHILD_EXIT_SECONDS, ProcessPool

START_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class ProcessResult:
    """What one bounded run did. `processed` items ended; `failed` counts failed attempts, `retried` or `dead`."""

    processed: int
    completed: int
    failed: int
    retried: int
    dead: int
    cancelled: int
    snoozed: int
    released: int
    lost: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return asdict(self)


def process_document_queue(
    limit: int | None = None, *, using: str | None = None, seconds: float | None = None
) -> ProcessResult:
    """Claim what is due, up to `limit` items (default PROCESS_LIMIT), and run it; start none after `seconds`.

    Handlers run in an executor process of this call, never in the caller's process. Two calls at once share the
    items. Frees lost workers' items and promotes what is due first. Must not run inside a transaction. Raises
    `InvalidOption`.
    """
    settings = get_settings()
    alias = using or settings.DATABASE
    most = settings.PROCESS_LIMIT if limit is None else limit
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= 100_000:
        raise InvalidOption("limit must be a whole number from 1 to 100000.")
    if store.in_transaction(alias):
        raise InvalidOption("process_document_queue() must not run inside a transaction.")
    started = time.monotonic()
    deadline = started + (settings.PROCESS_SECONDS if seconds is None else seconds)
    history.ensure(alias, weeks=2)
    reap.run(alias)
    schedule.Rounds().run(alias)
    promote.run(alias)
    bulk.run(alias)
    for duty in registered():
        perform(duty, alias)
    # With nothing to do no process is started: a cron call each minute costs a few reads.
    loop = _drain(alias, most, deadline) if claiming.lanes(alias, settings.QUEUES, settings.EXCLUDE_QUEUES) else None
    counts = loop.tally.as_dict() if loop else dict.fromkeys(ProcessResult.__dataclass_fields__, 0)
    counts = {k: v for k, v in counts.items() if k not in ("processed", "seconds")}
    ended = sum(counts[k] for k in ("completed", "retried", "dead", "cancelled", "snoozed"))
    return ProcessResult(processed=ended, seconds=round(time.monotonic() - started, 3), **counts)


def _drain(using: str, limit: int, deadline: float) -> WorkLoop:
    settings = get_settings()
    pool = ProcessPool(using, 1, method="spawn")
    worker = claiming.register(
        using,
        Worker.Kind.CRON,
        lease_seconds=settings.LEASE_SECONDS,
        queues=settings.QUEUES,
        excluded=settings.EXCLUDE_QUEUES,
        processes=1,
    )
    lease = Lease(using, worker, settings.LEASE_SECONDS, settings.heartbeat_seconds)
    loop = WorkLoop(
        using=using,
        worker=worker,
        pool=pool,
        lease=lease,
        serve=settings.QUEUES,
        exclude=settings.EXCLUDE_QUEUES,
        limit=limit,
    )
    lease.start()
    try:
        pool.start()
        while lease.stands():
            loop.tick()
            if pool.failed_starts >= START_TRIES:
                raise ConfigurationError(
                    f"The process that is to run the handlers ends at its start: {pool.why_failed}.",
                    hint="A script that calls process_document_queue() needs `if __name__ == '__main__':` around it.",
                )
            if time.monotonic() >= deadline and not loop.stopping:
                loop.stop()
            if not loop.in_hand() and (loop.stopping or loop.claimed >= limit or loop.looked_in_vain()):
                break
        loop.stop()
    except BaseException:
        loop.cut_off()
        raise
    finally:
        pool.close(CHILD_EXIT_SECONDS)
        lease.stop()
        loop.sign_off()
    return loop
