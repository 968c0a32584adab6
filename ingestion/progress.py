"""How far work is: told to the queue (which answers with a cancel) and kept on the row that people look at.

Each word costs the row and the queue a write, so a small file says nothing in its first half second: it has mostly
ended by then.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from django.db.models import Func, TextField, Value
from django.db.models.lookups import Exact

from ingestion.models import IngestFile, Intake

if TYPE_CHECKING:
    from docqueue.context import Context

WRITE_EVERY_SECONDS = 0.5
SMALL_BYTES = 256 * 1024
"""What is smaller is not expected to take long."""


class Report(Protocol):
    """What the pipeline tells while it works. May raise, when the work is cancelled or not ours any more."""

    def __call__(self, stage: str, percent: int, message: str = "") -> None: ...


def silent(stage: str, percent: int, message: str = "") -> None:
    """Tell nobody."""


def unawaited() -> Exact:
    """A condition that always holds: its statement commits without waiting for the disk.

    For writes that are only for looking at, outside of a transaction: whoever loses the last of them to a power cut
    loses nothing else, because every later commit is behind them in the log.
    """
    setting = Func(
        Value("synchronous_commit"), Value("off"), Value(True), function="set_config", output_field=TextField()
    )
    return Exact(setting, Value("off"))


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
        self.quiet = isinstance(row, IngestFile) and row.size < SMALL_BYTES

    def __call__(self, stage: str, percent: int, message: str = "") -> None:
        """Tell the queue and the row. Raises `Cancelled` or `LeaseLost` as `ctx.progress` does."""
        at = time.monotonic()
        if self.quiet and at - self.written_at < WRITE_EVERY_SECONDS:
            self.ctx.check()
            return
        self.quiet = False
        self.ctx.progress(percent, stage=stage, message=message)
        if stage == self.stage and at - self.written_at < WRITE_EVERY_SECONDS:
            return
        self.stage, self.written_at = stage, at
        said = {"stage": stage, "percent": percent, "message": message[:500]}
        if isinstance(self.row, Intake):
            Intake.objects.filter(unawaited(), pk=self.row.pk, finished_at=None).update(**said)
        else:
            IngestFile.objects.filter(unawaited(), pk=self.row.pk, outcome="", item_id=self.ctx.id).update(**said)
