"""Pausing queues: nothing of a paused queue starts, also what is pending already."""

from __future__ import annotations

import json
from datetime import datetime

from django.db import transaction

from docqueue import outcomes, store, validation
from docqueue.conf import get_settings

LOOK = ""
"""A notification of no queue: workers look at once which queues are paused."""


class Pausing:
    """Verbs about whole queues."""

    using: str

    def pause_queue(self, name: str, reason: str = "", by: str = "", *, now: datetime | None = None) -> datetime:
        """Let nothing of a queue start any more, from within a second on; what runs may finish. Returns since when.

        `explain` gives the reason for each of its items. What a worker has claimed and not started it hands back. A
        queue that is paused stays so, with the new reason. Enqueues go on. Raises `InvalidKey`.
        """
        queue = validation.key("queue", name, validation.QUEUE_MAX_LENGTH)
        why, who = outcomes.clean(reason)[:500], outcomes.clean(by)[:255]
        with store.atomic(self.using):
            said = {"name": queue, "reason": why, "by": who, "now": now}
            [(since,)] = store.run(self.using, "queue_pause", said)
            self._note_queue("pause_queue", queue, by, why, now)
        paused_at: datetime = since
        return paused_at

    def resume_queue(self, name: str, by: str = "", reason: str = "", *, now: datetime | None = None) -> bool:
        """Let a paused queue go on. False: it was not paused, and nothing was changed."""
        queue = validation.key("queue", name, validation.QUEUE_MAX_LENGTH)
        with store.atomic(self.using):
            rows = store.run(self.using, "queue_resume", {"name": queue})
            if rows:
                self._note_queue("resume_queue", queue, by, outcomes.clean(reason)[:1000], now)
        return bool(rows)

    def _note_queue(self, action: str, queue: str, by: str, reason: str, now: datetime | None) -> None:
        said = {"actor": outcomes.clean(by)[:255], "reason": reason, "action": action, "item_id": None, "count": 1}
        store.run(self.using, "audit", {**said, "filter": json.dumps({"queue": queue}), "now": now})
        transaction.on_commit(lambda: tell_workers(self.using), using=self.using, robust=True)


def tell_workers(using: str) -> None:
    """Have all workers look at once, where they listen; the others look within a second."""
    if get_settings().LISTEN:
        store.run(using, "notify", {"queues": [LOOK]})
