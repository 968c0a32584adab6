"""How far work is: told to the queue (which answers with a cancel) and kept on the row that people look at."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from ingestion.models import IngestFile, Intake

if TYPE_CHECKING:
    from docqueue.context import Context

WRITE_EVERY_SECONDS = 0.5


class Report(Protocol):
    """What the pipeline tells while it works. May raise, when the work is cancelled or not ours any more."""

    def __call__(self, stage: str, percent: int, message: str = "") -> None: ...


def silent(stage: str, percent: int, message: str = "") -> None:
    """Tell nobody."""


class RowProgress:
    """Keeps stage, percent and message on one row: each change of stage, and else twice a second at most.

    Written outside of any transaction of the work, and only while the row has not ended.
    """

    def __init__(self, row: IngestFile | Intake, ctx: Context) -> None:
        """`row` as it is in the database now."""
        self.row = row
        self.ctx = ctx
        self.stage = row.stage
        self.written_at = time.monotonic()

    def __call__(self, stage: str, percent: int, message: str = "") -> None:
        """Tell the queue and the row. Raises `Cancelled` or `LeaseLost` as `ctx.progress` does."""
        self.ctx.progress(percent, stage=stage, message=message)
        at = time.monotonic()
        if stage == self.stage and at - self.written_at < WRITE_EVERY_SECONDS:
            return
        self.stage, self.written_at = stage, at
        said = {"stage": stage, "percent": percent, "message": message[:500]}
        if isinstance(self.row, Intake):
            Intake.objects.filter(pk=self.row.pk, finished_at=None).update(**said)
        else:
            IngestFile.objects.filter(pk=self.row.pk, outcome="", item_id=self.ctx.id).update(**said)
