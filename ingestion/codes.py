"""The codes that programs read where people read a line: what is happening, and what something waits for.

Both sets are closed and stable; docs/reference/progress.md is made from them. Pure: no database, no models.
"""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from docqueue.states import WaitReason


class MessageCode(TextChoices):
    """What the state line says. `failed` is followed by the error code: "failed:password_required"."""

    WAITING_FOR_WORKER = "waiting_for_worker", _("may start now, and does as soon as a worker is free")
    RETRY_BACKOFF = "retry_backoff", _("failed for the moment; tried again by itself")
    WAITING_FOR_ROOM = "waiting_for_room", _("the disk is full; looks again by itself")
    WAITING_FOR_KM = "waiting_for_km", _("the knowledge store does not answer; tries again by itself")
    WAITING_FOR_TURN = "waiting_for_turn", _("earlier work on the same document comes first")
    WAITING = "waiting", _("waits for something else; waiting_reason says what")
    WAITING_TO_BE_UNZIPPED = "waiting_to_be_unzipped", _("its turn in the archive has not come")
    STARTING = "starting", _("a worker has taken it and has not said anything yet")
    UNZIPPING = "unzipping", _("files are being taken out of the archive")
    UPLOADING = "uploading", _("the stored bytes are being looked at and handed over")
    INDEXING = "indexing", _("text is being read and made searchable")
    CANCELLING = "cancelling", _("was asked to stop and ends soon")
    ENDING = "ending", _("its work is over; the result is being written")
    COMPLETED = "completed", _("done")
    COMPLETED_NO_TEXT = "completed_no_text", _("done; the document has no text")
    COMPLETED_WITH_ERRORS = "completed_with_errors", _("done; some files of the intake failed")
    DUPLICATE = "duplicate", _("done; the same bytes are another document of the owner already")
    UNPACKED = "unpacked", _("done; its files are among the others")
    SKIPPED = "skipped", _("not a document, or of a type that is skipped")
    CANCELLED = "cancelled", _("given up on request")
    DELETED = "deleted", _("done once; its document was deleted since")
    FAILED = "failed", _("failed for good; the error code follows behind a colon")


class WaitingReason(TextChoices):
    """What something waits for. It goes on by itself; only a worker or the operator may have to be helped."""

    QUEUED = "queued", _("its turn: workers are at other things")
    NO_WORKER = "no_worker", _("a worker: none runs that could take it, until the operator or cron starts one")
    PAUSED = "paused", _("the operator, who has paused the queue")
    BACKOFF = "backoff", _("the next try after a failure")
    KM_UNAVAILABLE = "km_unavailable", _("the next try, as the knowledge store did not answer")
    DISK_LOW = "disk_low", _("room on the disk")
    STORAGE_UNAVAILABLE = "storage_unavailable", _("the document storage, which does not answer or refuses")
    DELAYED = "delayed", _("a later time that was asked for")
    ORDERING = "ordering", _("earlier work on the same document, or work that it comes after")
    RATE_LIMITED = "rate_limited", _("a rate limit or circuit breaker")


OF_THE_QUEUE: dict[str, WaitingReason] = {
    "pending": WaitingReason.QUEUED,
    "no_worker": WaitingReason.NO_WORKER,
    "paused": WaitingReason.PAUSED,
    WaitReason.NO_HANDLER: WaitingReason.NO_WORKER,
    WaitReason.RETRY: WaitingReason.BACKOFF,
    WaitReason.UNWELL: WaitingReason.BACKOFF,
    WaitReason.DELAYED: WaitingReason.DELAYED,
    WaitReason.SNOOZED: WaitingReason.DELAYED,
    WaitReason.ORDERING: WaitingReason.ORDERING,
    WaitReason.DEPENDENCY: WaitingReason.ORDERING,
    WaitReason.LIMITED: WaitingReason.RATE_LIMITED,
    WaitReason.CONCURRENCY: WaitingReason.QUEUED,
    WaitReason.FAIR_SHARE: WaitingReason.QUEUED,
}
"""Our word for each reason for which the queue holds an item (`DocumentQueueService.reasons`)."""
