"""What people ask of a worker that runs: to claim nothing new, to go on, to end."""

from __future__ import annotations

import json
from datetime import datetime

from django.db import transaction

from docqueue import outcomes, store
from docqueue.exceptions import WorkerNotFound, WorkerRefuses
from docqueue.models import Worker
from docqueue.pausing import tell_workers


class Staffing:
    """Verbs about workers. Each names one start of a worker, its row; a worker that starts anew has heard nothing."""

    using: str

    def quiet_worker(self, worker: int, *, by: str = "", reason: str = "", now: datetime | None = None) -> bool:
        """Have a worker claim nothing new, from within a second on; what it holds it finishes. Audited.

        False: it was asked that already. Raises `WorkerNotFound`, or `WorkerRefuses` when it is none that lives (what
        cron or a caller runs ends by itself), or was asked to stop.
        """
        return self._ask(worker, Worker.Asked.QUIET, "quiet_worker", by, reason, now)

    def unquiet_worker(self, worker: int, *, by: str = "", reason: str = "", now: datetime | None = None) -> bool:
        """Let a quiet worker claim again. False: it was not quiet. Raises as `quiet_worker`."""
        return self._ask(worker, None, "unquiet_worker", by, reason, now)

    def stop_worker(self, worker: int, *, by: str = "", reason: str = "", now: datetime | None = None) -> bool:
        """Have a worker end as TERM does: what has not started it hands back, what runs has GRACE_SECONDS. Audited.

        It can not be taken back; what watches over the process may start another. False: it was asked that already.
        Raises as `quiet_worker`.
        """
        return self._ask(worker, Worker.Asked.STOP, "stop_worker", by, reason, now)

    def _ask(self, worker: int, asked: str | None, action: str, by: str, reason: str, now: datetime | None) -> bool:
        who, why = outcomes.clean(by)[:255], outcomes.clean(reason)[:1000]
        params = {"worker_id": worker, "asked": asked, "by": who if asked else "", "now": now}
        with store.atomic(self.using):
            if rows := store.run(self.using, "ask_worker", params):
                entry = {"actor": who, "reason": why, "action": action, "item_id": None, "count": 1, "now": now}
                told = {"worker": worker, "name": rows[0][0]}
                store.run(self.using, "audit", {**entry, "filter": json.dumps(told)})
                transaction.on_commit(lambda: tell_workers(self.using), using=self.using, robust=True)
        return bool(rows) or self._as_it_was(worker, asked)

    def _as_it_was(self, worker: int, asked: str | None) -> bool:
        """False, as that is what it was asked before; or raises why it can not be asked."""
        found = Worker.objects.using(self.using).filter(pk=worker).first()
        if found is None:
            raise WorkerNotFound(f"There is no worker {worker}.")
        if found.kind != Worker.Kind.WORKER:
            raise WorkerRefuses(f"{found} is a {found.get_kind_display()}: it ends by itself.")
        if found.stopped_at or found.lost_at:
            raise WorkerRefuses(f"{found} has ended.")
        if found.asked == asked:
            return False
        if found.asked == Worker.Asked.STOP:
            raise WorkerRefuses(f"{found} was asked to stop by {found.asked_by or 'somebody'}.")
        raise WorkerRefuses(f"{found} has not been heard of for a while: its lease has run out.")
