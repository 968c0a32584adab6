"""Reprocessing many: asked for by a selection, done by an item of our own queue, slice by slice.

A file that was put into the queue has no end any more, or a later one: so what is left is found by the files
themselves, as those of the selection that ended before the moment of the asking. What fails again is not taken again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from docqueue.models import AnyItem, Checkpoint
from docqueue.service import DocumentQueueService
from docqueue.states import FINISHED, Status
from docqueue.validation import priority as checked_priority
from ingestion.errors import InvalidStage
from ingestion.models import IngestFile, Stage
from ingestion.reprocess import FROM, REPROCESSABLE, not_cancelled_since, reprocess_files
from ingestion.selecting import Preview, Selection, preview
from ingestion.unzip_again import unzip_again

REPROCESS_MANY = "document.reprocess_many"
SLICE = 200
"""Files in one transaction, which takes most of a second where each has a dead item to be given up."""
ARCHIVES = 20
"""Archives that one step asks to have unzipped again."""
SUMS = ("documents", "skipped", "archives")
"""What is counted of an order: files put into the queue, files left alone as they are under way, archives."""

Step = Callable[[str, Callable[[], Any]], Any]
"""Runs a function in a transaction, once whoever dies: the name, the function; gives back its result."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to process anew, from which stage, and for whom.

    `from_stage`: `uploading` and `indexing` are about documents, `unzipping` about entries that have none. Not given,
    it is both: documents from `uploading` on. `before`: only what ended by then. `total`: how many there were.
    """

    selection: Selection
    from_stage: str = ""
    priority: int = 0
    by: str = ""
    before: datetime | None = None
    total: int = 0
    at_least: bool = False

    @classmethod
    def of(cls, selection: Selection, *, from_stage: str = "", priority: int | str = "low", by: str = "") -> Order:
        """An order that was checked. Raises `InvalidStage`, `InvalidPriority`."""
        if from_stage not in ("", Stage.UNZIPPING, *FROM):
            raise InvalidStage(
                f"There is no processing from {from_stage!r} on: only from unzipping, {', '.join(FROM)}."
            )
        return cls(selection=selection, from_stage=from_stage, priority=checked_priority(priority), by=by)

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any], *, before: datetime) -> Order:
        """The order that an item carries; `before` is the moment at which it was enqueued."""
        return cls(**{**payload, "selection": Selection.from_mapping(payload["selection"])}, before=before)

    @property
    def documents(self) -> bool:
        """Whether documents are processed."""
        return self.from_stage != Stage.UNZIPPING

    @property
    def archives(self) -> bool:
        """Whether archives are read again."""
        return self.from_stage in ("", Stage.UNZIPPING)

    def counted(self) -> Preview:
        """What it would be about now."""
        return preview(self.selection, documents=self.documents, archives=self.archives)


@dataclass(frozen=True, kw_only=True)
class Started:
    """An order that was given, with what it is about. `item_id` None: there is nothing to do."""

    item_id: int | None
    counts: Preview


def start_order(order: Order) -> Started:
    """Give an order: one item, however many files it is about. Nothing else is changed here."""
    counts = order.counted()
    if not counts.reprocessable and not counts.archives:
        return Started(item_id=None, counts=counts)
    payload = {
        "selection": order.selection.as_dict(),
        "from_stage": order.from_stage,
        "priority": order.priority,
        "by": order.by,
        "total": counts.reprocessable,
        "at_least": counts.at_least,
    }
    queued = DocumentQueueService().enqueue(None, REPROCESS_MANY, order.priority, payload=payload)
    return Started(item_id=queued.id, counts=counts)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far an order is. `finished`: all it is about stands in the queue, or it was given up.

    `documents` and `archives` were put into the queue so far, `skipped` were found to be under way; `total` documents
    were counted when it was given.
    """

    item_id: int
    status: Status
    finished: bool
    percent: int
    total: int
    at_least: bool
    documents: int
    skipped: int
    archives: int
    from_stage: str
    selection: Mapping[str, Any]
    error_code: str
    error_message: str
    created_at: datetime
    finished_at: datetime | None


def order_progress(item_id: int, owner: int | None = None) -> Progress | None:
    """How far the order is that this item carries out. None: there is none, or not of this owner."""
    item = AnyItem.objects.filter(pk=item_id, operation=REPROCESS_MANY).first()
    if item is None or (owner is not None and item.payload["selection"].get("owner") != owner):
        return None
    payload, status = item.payload, Status(item.status)
    steps = Checkpoint.objects.filter(item_id=item_id).values_list("result", flat=True)
    parts: list[Any] = [item.result] if item.result else list(steps)
    sums: dict[str, int] = {key: sum(part.get(key) or 0 for part in parts) for key in SUMS}
    done, total = sums["documents"] + sums["skipped"], payload["total"]
    return Progress(
        item_id=item_id,
        status=status,
        finished=status in FINISHED or status == Status.DEAD,
        percent=100 if status == Status.COMPLETED else min(99, done * 100 // max(1, total)),
        total=total,
        at_least=payload["at_least"],
        from_stage=payload["from_stage"],
        selection={key: value for key, value in payload["selection"].items() if key != "owner"},
        error_code=item.error_code or "",
        error_message=item.error_message or "",
        created_at=item.enqueued_at,
        finished_at=item.finished_at,
        **sums,
    )


def run_order(order: Order, *, step: Step, report: Callable[[int], None]) -> dict[str, int]:
    """Put everything that an order is about into the queue. Returns how many: documents, archives, and left alone.

    `report` hears the number of documents so far and may raise to stop; what was done stays done.
    """
    sums = dict.fromkeys(SUMS, 0)
    for wanted, name, work in (
        (order.documents, "documents", _slice),
        (order.archives, "archives", _archives),
        (order.archives, "archives inside", _inner_archives),
    ):
        last: int | None = 0
        while wanted and last is not None:
            reached = last
            did = step(f"{name} after {reached}", lambda work=work, reached=reached: work(order, reached))  # type: ignore[misc]
            last = did["reached"]
            for key in sums:
                sums[key] += did.get(key, 0)
            report(sums["documents"] + sums["skipped"])
    return sums


def _slice(order: Order, reached: int) -> dict[str, int | None]:
    """The next documents into the queue, by the ids of their files."""
    assert order.before is not None, "only an order that was given is carried out"
    rows = IngestFile.objects.filter(REPROCESSABLE, order.selection.condition(), finished_at__lte=order.before)
    pks = list(rows.filter(pk__gt=reached).order_by("pk").values_list("pk", flat=True)[:SLICE])
    ids = reprocess_files(
        pks,
        before=order.before,
        by=order.by,
        priority=order.priority,
        from_stage=order.from_stage or Stage.UPLOADING,
    )
    last = pks[-1] if len(pks) == SLICE else None
    return {"documents": len(ids), "skipped": len(pks) - len(ids), "reached": last}


def _archives(order: Order, reached: int) -> dict[str, int | None]:
    """The next archives, by the ids of their uploads."""
    assert order.before is not None, "only an order that was given is carried out"
    rows = order.selection.archives().filter(not_cancelled_since(order.before), pk__gt=reached).order_by("pk")
    pks = list(rows.values_list("pk", flat=True)[:ARCHIVES])
    entries = order.selection.condition()
    ids = [unzip_again(pk, entries, by=order.by, priority=order.priority) for pk in pks]
    asked = sum(item_id is not None for item_id in ids)
    return {"archives": asked, "reached": pks[-1] if len(pks) == ARCHIVES else None}


def _inner_archives(order: Order, reached: int) -> dict[str, int | None]:
    """The next archives among the files of uploads, by the ids of their files."""
    assert order.before is not None, "only an order that was given is carried out"
    rows = order.selection.inner_archives().filter(not_cancelled_since(order.before, "intake__"))
    rows = rows.filter(finished_at__lte=order.before, pk__gt=reached).order_by("pk")
    pks = list(rows.values_list("pk", "intake_id")[:ARCHIVES])
    entries = order.selection.condition()
    ids = [unzip_again(intake, entries, by=order.by, priority=order.priority, within=pk) for pk, intake in pks]
    asked = sum(item_id is not None for item_id in ids)
    return {"archives": asked, "reached": pks[-1][0] if len(pks) == ARCHIVES else None}
