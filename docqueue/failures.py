"""Dead letters by their cause: who sees to a cause, and how long dead items wait for somebody."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from docqueue import outcomes, stats, store
from docqueue.exceptions import FailureNotFound
from docqueue.models import FailureGroup

TARGET_SECONDS = 300.0
"""What 95 of 100 dead items should be seen to in, as the admin's page says."""


@dataclass(frozen=True, kw_only=True)
class Resolutions:
    """How long dead items had been dead when people requeued or discarded them, in the last `days`.

    In seconds, at most; None where there were none. `total_seconds` is that of all `number` items together.
    """

    days: int
    number: int
    total_seconds: float
    p50_seconds: float | None
    p95_seconds: float | None


class Failures:
    """Verbs about causes of dead letters. To requeue or discard one is a bulk operation with its `fingerprint`."""

    using: str

    def failure(self, fingerprint: str) -> FailureGroup:
        """A cause with what was counted of it last, some seconds ago. Raises `FailureNotFound`."""
        found = FailureGroup.objects.using(self.using).filter(pk=outcomes.clean(fingerprint)).first()
        if found is None:
            raise FailureNotFound(f"There is no failure {fingerprint!r}.")
        return found

    def acknowledge_failure(
        self, fingerprint: str, *, note: str = "", by: str = "", now: datetime | None = None
    ) -> FailureGroup:
        """Note that somebody sees to a cause, with what others should know. It counts until another item dies of it.

        Audited, as what takes it back. Raises `FailureNotFound`.
        """
        return self._acknowledge(fingerprint, note, by, now, clear=False)

    def unacknowledge_failure(
        self, fingerprint: str, *, by: str = "", reason: str = "", now: datetime | None = None
    ) -> FailureGroup:
        """Take that back, and the note with it; the reason stands in the audit. Raises `FailureNotFound`."""
        return self._acknowledge(fingerprint, reason, by, now, clear=True)

    def resolutions(self, days: int = stats.RESOLUTION_DAYS, *, now: datetime | None = None) -> Resolutions:
        """How quickly people have seen to dead items of late. `DEAD_RETENTION_DAYS` is nobody's doing and not in it."""
        [(number, total, half, most)] = store.run(self.using, "resolutions", {"days": days, "now": now})
        return Resolutions(days=days, number=number, total_seconds=total, p50_seconds=half, p95_seconds=most)

    def _acknowledge(self, fingerprint: str, note: str, by: str, now: datetime | None, *, clear: bool) -> FailureGroup:
        who, said = outcomes.clean(by)[:255], outcomes.clean(note)[:1000]
        kept = {"by": "", "note": ""} if clear else {"by": who, "note": said}
        params = {"fingerprint": outcomes.clean(fingerprint), "clear": clear, **kept}
        with store.atomic(self.using):
            rows = store.run(self.using, "acknowledge_failure", {**params, "now": now})
            if rows:
                entry = {"actor": who, "reason": said, "item_id": None, "count": min(rows[0][0], 2**31 - 1), "now": now}
                entry["action"] = "unacknowledge_failure" if clear else "acknowledge_failure"
                entry["filter"] = json.dumps({"fingerprint": params["fingerprint"]})
                store.run(self.using, "audit", entry)
        return self.failure(fingerprint)
