"""What an intake amounts to: counts, percent and stage, computed from its files and never counted along the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Count, F, Max, Min, Q, Sum
from django.db.models.functions import Coalesce

from ingestion.models import IngestFile, Intake, IntakeKind, Outcome, Stage
from ingestion.pace import Pace

FILE_WEIGHT = 1024
"""Bytes that every file counts on top of its size: a thousand small files are work too."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The state of all files of one intake. `total` counts planned entries that have no row yet.

    `error_code` and `error_message` are what all failed files have in common; empty where they differ.
    """

    total: int = 0
    completed: int = 0
    no_text: int = 0
    duplicate: int = 0
    unpacked: int = 0
    failed: int = 0
    skipped: int = 0
    cancelled: int = 0
    percent: int = 0
    stage: str = Stage.PENDING
    error_code: str = ""
    error_message: str = ""

    @property
    def finished(self) -> int:
        """How many files have ended, however they did."""
        return self.ended_well + self.unpacked + self.failed + self.skipped + self.cancelled

    @property
    def ended_well(self) -> int:
        """How many files ended with what their owner wanted: they are there, or were there before."""
        return self.completed + self.no_text + self.duplicate

    def as_dict(self) -> dict[str, Any]:
        """Plain values for `Intake.counts`."""
        return asdict(self)


_FIELD = {
    Outcome.COMPLETED: "completed",
    Outcome.COMPLETED_NO_TEXT: "no_text",
    Outcome.DUPLICATE: "duplicate",
    Outcome.UNPACKED: "unpacked",
    Outcome.FAILED: "failed",
    Outcome.SKIPPED: "skipped",
    Outcome.CANCELLED: "cancelled",
}


def summarize(intake: Intake) -> Summary:
    """The summary of one intake, always from its files."""
    return _summary(intake, _rows([intake])[intake.pk])


def summaries(intakes: Iterable[Intake]) -> dict[int, Summary]:
    """Summaries by intake id: as stored for finished intakes, from the files (one query) for all others."""
    return {pk: summary for pk, (summary, _) in summaries_and_paces(intakes).items()}


def summaries_and_paces(intakes: Iterable[Intake]) -> dict[int, tuple[Summary, Pace]]:
    """The same, each with how fast the work goes; by the same one query. A finished intake has no pace any more."""
    known, open_ones = {}, []
    for intake in intakes:
        if intake.finished_at is not None and intake.counts:
            known[intake.pk] = Summary(**intake.counts), Pace(moved_at=intake.finished_at)
        else:
            open_ones.append(intake)
    groups = _rows(open_ones)
    return known | {one.pk: (_summary(one, groups[one.pk]), _pace(groups[one.pk])) for one in open_ones}


def _rows(intakes: list[Intake]) -> dict[int, list[Mapping[str, Any]]]:
    """The files of each intake by stage and outcome: how many, and what they amount to."""
    if not intakes:
        return {}
    groups: dict[int, list[Mapping[str, Any]]] = {intake.pk: [] for intake in intakes}
    weight = F("size") + FILE_WEIGHT
    now_at = Q(started_at__gte=Coalesce("intake__reopened_at", "intake__created_at"))
    rows = (
        IngestFile.objects.filter(intake__in=groups)
        .order_by()
        .values("intake_id", "stage", "outcome")
        .annotate(n=Count("id"), weight=Sum(weight), done=Sum(weight * F("percent")))
        .annotate(code=Min("error_code"), code_max=Max("error_code"))
        .annotate(text=Min("error_message"), text_max=Max("error_message"))
        .annotate(begun=Count("id", filter=now_at), begun_done=Sum(weight * F("percent"), filter=now_at))
        .annotate(began_at=Min("started_at", filter=now_at), ended_at=Max("finished_at"))
    )
    for row in rows:
        groups[row["intake_id"]].append(row)
    return groups


def _pace(rows: list[Mapping[str, Any]]) -> Pace:
    began = [row["began_at"] for row in rows if row["began_at"] is not None]
    ended = [row["ended_at"] for row in rows if row["ended_at"] is not None]
    unfinished = [row for row in rows if not row["outcome"]]
    running = sum(int(row["begun_done"] or 0) for row in unfinished)
    return Pace(
        began_at=min(began, default=None),
        moved_at=max(ended, default=None),
        ended=sum(row["begun"] for row in rows if row["outcome"]),
        done=sum(int(row["begun_done"] or 0) for row in rows) // 100,
        left=sum(int(row["weight"]) for row in unfinished) - running // 100,
    )


def _summary(intake: Intake, rows: list[Mapping[str, Any]]) -> Summary:
    counts = dict.fromkeys(_FIELD.values(), 0)
    for row in rows:
        if row["outcome"]:
            counts[_FIELD[Outcome(row["outcome"])]] += row["n"]
    present = sum(row["n"] for row in rows)
    weight = sum(row["weight"] for row in rows)
    percent = int(sum(row["done"] for row in rows) // weight) if weight else 0
    done = intake.finished_at is not None
    return Summary(
        total=max(present, 0 if done else intake.planned_files),
        percent=100 if done else min(percent, 99),
        stage=intake.stage if done else _stage(intake, rows),
        error_code=_common(rows, "code"),
        error_message=_common(rows, "text"),
        **counts,
    )


def _common(rows: list[Mapping[str, Any]], field: str) -> str:
    """The value that all failed files have, or nothing."""
    failed = [row for row in rows if row["outcome"] == Outcome.FAILED]
    values = {row[field] for row in failed} | {row[f"{field}_max"] for row in failed}
    return str(values.pop()) if len(values) == 1 else ""


def _stage(intake: Intake, rows: list[Mapping[str, Any]]) -> str:
    """The stage of the work that is least far, once any has begun."""
    if intake.kind == IntakeKind.ZIP and intake.unpacked_at is None:
        return intake.stage
    stages = {row["stage"] for row in rows if not row["outcome"]}
    begun = any(row["outcome"] for row in rows) or stages - {Stage.PENDING}
    if not begun:
        return Stage.PENDING
    return Stage.INDEXING if stages <= {Stage.INDEXING} else Stage.UPLOADING
