"""What goes on with intakes and files, from our rows and the queue's: read once for a page, told of any moment.

Every function here costs the same few statements whatever the number of rows and of files. What depends on the time
(a countdown, the time left, "stalled") is asked of what was read, so that the same facts can be told of two moments.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import OuterRef, Subquery
from django.db.models.functions import Now

from docqueue.models import Progress, QueueItem, Worker
from docqueue.service import DocumentQueueService
from docqueue.states import Status
from ingestion.codes import OF_THE_QUEUE, WaitingReason
from ingestion.limits import get_limits
from ingestion.models import IngestFile, Intake, IntakeKind, Stage
from ingestion.pace import Pace
from ingestion.states import Line, file_line, intake_line, live_items
from ingestion.summary import Summary, summaries_and_paces


@dataclass(frozen=True, kw_only=True)
class Items:
    """What the queue says of some items: of the running ones when each last `moved`, and which have a living worker."""

    live: dict[int, QueueItem] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    moved: dict[int, datetime] = field(default_factory=dict)
    alive: frozenset[int] = frozenset()

    def get(self, item_id: int | None) -> QueueItem | None:
        """The live item with this id."""
        return self.live.get(item_id or 0)

    def waiting_reason(self, item_id: int | None, put_off: str) -> WaitingReason | None:
        """What the item waits for; None where it runs or has ended. `put_off`: the reason on the row it stands for."""
        item = self.get(item_id)
        if item is None or item.status not in (Status.WAITING, Status.PENDING):
            return None
        reason = OF_THE_QUEUE[self.reasons[item.pk]]
        if reason in (WaitingReason.DELAYED, WaitingReason.ORDERING) and put_off in WaitingReason:
            return WaitingReason(put_off)  # in the second case it waits for work that was put off
        if reason == WaitingReason.BACKOFF and item.error_code == WaitingReason.KM_UNAVAILABLE:
            return WaitingReason.KM_UNAVAILABLE
        return reason


def look(item_ids: Iterable[int | None]) -> Items:
    """What the queue says of these items, those that are live: five statements at most."""
    live = live_items(item_ids)
    if not live:
        return Items()
    running = [item for item in live.values() if item.status == Status.IN_PROGRESS]
    said: dict[int, datetime] = {}
    alive: set[int | None] = set()
    if running:
        said = dict(Progress.objects.filter(pk__in=[item.pk for item in running]).values_list("pk", "updated_at"))
        workers = Worker.objects.filter(pk__in={item.worker_id for item in running}, lost_at=None, stopped_at=None)
        alive = set(workers.filter(lease_expires_at__gte=Now()).values_list("pk", flat=True))
    times = {item.pk: (item.claimed_at, said.get(item.pk)) for item in running}
    return Items(
        live=live,
        reasons=DocumentQueueService().reasons(live.values()),
        moved={pk: latest for pk, pair in times.items() if (latest := newest(*pair)) is not None},
        alive=frozenset(item.pk for item in running if item.worker_id in alive),
    )


def newest(*times: datetime | None) -> datetime | None:
    """The latest of those that are known."""
    return max((time for time in times if time is not None), default=None)


def _still(moved_at: datetime | None, now: datetime) -> bool:
    """Whether nothing has moved for longer than it should."""
    return moved_at is not None and (now - moved_at).total_seconds() > get_limits().stalled_after_seconds


@dataclass(frozen=True, kw_only=True)
class WatchedFile:
    """One file and what the queue says of its item."""

    file: IngestFile
    items: Items

    @property
    def waiting_reason(self) -> WaitingReason | None:
        """What it waits for by itself."""
        return self.items.waiting_reason(self.file.item_id, self.file.waiting_reason)

    @property
    def last_progress_at(self) -> datetime | None:
        """When it last moved; None before it was started."""
        return newest(self.items.moved.get(self.file.item_id or 0), self.file.started_at, self.file.finished_at)

    def line(self, now: datetime) -> Line:
        """The state line with its code."""
        return file_line(self.file, self.items.get(self.file.item_id), now)

    def stalled(self, now: datetime) -> bool:
        """Alive but not moving: it runs, its worker lives, and it has said nothing new for too long."""
        return self.file.item_id in self.items.alive and _still(self.last_progress_at, now)


def watch_files(files: Sequence[IngestFile]) -> list[WatchedFile]:
    """Files of one page; `intake` must be loaded."""
    items = look(file.item_id for file in files)
    return [WatchedFile(file=file, items=items) for file in files]


@dataclass(frozen=True, kw_only=True)
class WatchedIntake:
    """One intake, its summary and pace, and what the queue says of what runs or waits for it.

    `only`: its file, where it is one plain file. `running`: its files that are being worked on. `next_item` and
    `next_reason` (where none are): the item of a file that waits, and what that file was put off for.
    """

    intake: Intake
    summary: Summary
    pace: Pace
    items: Items
    only: IngestFile | None = None
    running: Sequence[IngestFile] = ()
    next_item: int | None = None
    next_reason: str = ""

    @property
    def working(self) -> list[int]:
        """The items that run for it."""
        ids = [self.intake.item_id, *(file.item_id for file in self.running)]
        return [pk for pk in ids if pk is not None and pk in self.items.moved]

    @property
    def waiting_reason(self) -> WaitingReason | None:
        """What it waits for by itself; None while anything of it runs, and once it has finished."""
        if self.intake.finished_at is not None or self.working:
            return None
        unpacking = self.items.waiting_reason(self.intake.item_id, self.intake.waiting_reason)
        return unpacking or self.items.waiting_reason(self.next_item, self.next_reason)

    @property
    def current_file(self) -> str | None:
        """The name of a file that is being worked on: of several, the one that moved last."""
        running = [file for file in self.running if file.item_id in self.items.moved]
        if running:
            return max(running, key=lambda file: self.items.moved[file.item_id or 0]).safe_name
        unzipping = self.intake.item_id in self.items.moved and self.intake.stage == Stage.UNZIPPING
        return self.intake.message or None if unzipping else None

    @property
    def last_progress_at(self) -> datetime | None:
        """When anything of it last moved."""
        return newest(self.pace.moved_at, *(self.items.moved[pk] for pk in self.working))

    def line(self, now: datetime) -> Line:
        """The state line with its code. An intake that is one plain file waits for what that waits for."""
        if self.only is not None and self.intake.finished_at is None:
            return file_line(self.only, self.items.get(self.only.item_id), now)
        return intake_line(self.intake, self.summary, self.items.get(self.intake.item_id), now)

    def stalled(self, now: datetime) -> bool:
        """Alive but not moving: something of it runs on a living worker, and nothing has moved for too long."""
        return not self.items.alive.isdisjoint(self.working) and _still(self.last_progress_at, now)

    def seconds_left(self, now: datetime) -> int | None:
        """How long it still takes; None while nobody knows: not enough is done, nothing runs, or it is stalled."""
        if self.intake.finished_at is not None or not self.working or self.stalled(now):
            return None
        return self.pace.seconds_left(now)


def watch_intakes(intakes: Sequence[Intake]) -> list[WatchedIntake]:
    """Intakes of one page: ten statements at most, however many there are and however many files they have."""
    known, single = summaries_and_paces(intakes), _single_files(intakes)
    unfinished = [intake.pk for intake in intakes if intake.finished_at is None]
    running = _running(unfinished)
    waiting = _waiting([pk for pk in unfinished if pk not in running])
    items = look(
        [
            *(intake.item_id for intake in intakes if intake.finished_at is None),
            *(file.item_id for file in single.values() if file.intake_id in unfinished),
            *(file.item_id for files in running.values() for file in files),
            *(item_id for item_id, _ in waiting.values()),
        ]
    )
    found = []
    for intake in intakes:
        (summary, pace), (next_item, reason) = known[intake.pk], waiting.get(intake.pk, (None, ""))
        seen = WatchedIntake(
            intake=intake,
            summary=summary,
            pace=pace,
            items=items,
            only=single.get(intake.pk),
            running=running.get(intake.pk, ()),
            next_item=next_item,
            next_reason=reason,
        )
        found.append(seen)
    return found


def just_taken(intake: Intake, files: Sequence[IngestFile]) -> WatchedIntake:
    """An intake that was taken in a moment ago, without a look at anything: its items are in the queue."""
    only = files[0] if len(files) == 1 else None
    item_id = only.item_id if only is not None else intake.item_id or 0
    fresh = QueueItem(pk=item_id, status=Status.PENDING)
    items = Items(live={fresh.pk: fresh}, reasons={fresh.pk: fresh.status})
    summary = Summary(total=intake.planned_files)
    return WatchedIntake(intake=intake, summary=summary, pace=Pace(), items=items, only=only, next_item=fresh.pk)


def _single_files(intakes: Sequence[Intake]) -> dict[int, IngestFile]:
    """The file of each intake that is one plain file: what it waits for is what its intake waits for."""
    wanted = [row.pk for row in intakes if row.kind == IntakeKind.FILES and row.planned_files == 1]
    if not wanted:
        return {}
    files = IngestFile.objects.filter(intake__in=wanted, parent=None).select_related("intake")
    return {file.intake_id: file for file in files}


def _running(intakes: Sequence[int]) -> dict[int, list[IngestFile]]:
    """The files of each that are being worked on: found from the items that run, of which there are few."""
    found: dict[int, list[IngestFile]] = defaultdict(list)
    if intakes:
        items = QueueItem.objects.filter(status=Status.IN_PROGRESS).values("pk")
        for file in IngestFile.objects.filter(outcome="", item_id__in=items, intake__in=intakes):
            found[file.intake_id].append(file)
    return found


def _waiting(intakes: Sequence[int]) -> dict[int, tuple[int | None, str]]:
    """Of each the last file that waits in the queue, its item and what it was put off for: that one starts last, so
    it is pending as long as anything is.
    """
    if not intakes:
        return {}
    queued = IngestFile.objects.filter(intake=OuterRef("pk"), outcome="", item_id__isnull=False).order_by("-ordinal")
    rows = Intake.objects.filter(pk__in=intakes).annotate(
        next_item=Subquery(queued.values("item_id")[:1]), next_reason=Subquery(queued.values("waiting_reason")[:1])
    )
    return {pk: (item, reason or "") for pk, item, reason in rows.values_list("pk", "next_item", "next_reason")}
