"""The statements that every file costs, written out: Django takes longer to put them together than PostgreSQL to run.

For a small text they were a good part of the work (`make bench ARGS=ingest`). What they do is said where they are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connections, router

from docqueue.service import ClaimedItem
from ingestion.models import IngestFile, Outcome, Stage

# The setting holds for this statement alone: it commits without waiting for the disk (`progress.unawaited`).
START = """
update ingestion_ingestfile set stage = %s, percent = 5, waiting_reason = '', started_at = statement_timestamp()
where id = %s and item_id = %s and set_config('synchronous_commit', 'off', true) = 'off' and exists (
    select from docqueue_item where id = %s and status = 'in_progress' and claim_token = %s)
"""
UNFINISHED = "select id from ingestion_ingestfile where intake_id = %s and outcome = '' order by ordinal desc limit 1"
END = """
update ingestion_ingestfile set stage = %s, outcome = %s, percent = 100, message = %s, error_code = '',
    error_message = '', hint = '', duplicate_of_id = %s, finished_at = statement_timestamp()
where document_id = %s
"""


def start(file_id: int, claim: ClaimedItem) -> bool:
    """Begin the first run of a file. False: it is not this claim's to process any more."""
    return _run(START, [Stage.UPLOADING.value, file_id, claim.id, claim.id, claim.claim_token]) > 0


def unfinished(intake_id: int) -> bool:
    """Whether a file of the intake has not ended, asked from the highest number down: the last one to be worked on."""
    return _run(UNFINISHED, [intake_id]) > 0


def end(document_id: int, outcome: Outcome, *, message: str = "", duplicate_of: int | None = None) -> None:
    """End the file of a document that was completed, or is a duplicate."""
    _run(END, [Stage.COMPLETED.value, outcome.value, message[:500], duplicate_of, document_id])


def _run(statement: str, params: Sequence[Any]) -> int:
    with connections[router.db_for_write(IngestFile)].cursor() as cursor:
        cursor.execute(statement, params)
        return int(cursor.rowcount)
