"""Filters of the lists. None of them asks the database what values there are by reading a whole table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce, Now
from django.http import HttpRequest
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from docqueue import handlers, listing, stats
from docqueue.conf import get_settings
from docqueue.models import Attempt, Worker
from docqueue.states import FINISHED, LIVE, Status, WaitReason

Choices = list[tuple[str, Any]]  # value and label, which is translated when it is shown


class ColumnFilter(admin.SimpleListFilter):
    """Rows whose column has the chosen value.

    `in_order`: an index has them in the order of the list. `few`: they are no more than are found at once. What is
    neither is looked for row by row, among so many (`base.KeysetChangeList`).
    """

    column = ""
    in_order = False
    few = False

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(**{self.column or str(self.parameter_name): value}) if value else queryset

    def has_output(self) -> bool:
        return True  # also with one choice: what is filtered by must be seen

    def with_chosen(self, names: Iterable[str]) -> Choices:
        """These names, sorted, and the chosen one, which may be of times past."""
        return [(name, name) for name in sorted({*names, *([self.value() or ""] if self.value() else [])})]


class LiveStatusFilter(ColumnFilter):
    """States of live items."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(s.value, s.label) for s in Status if s in LIVE]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value not in LIVE:
            return queryset.none() if value else queryset
        return queryset.filter(status=value)


class FinishedStatusFilter(ColumnFilter):
    """States of finished items."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(s.value, s.label) for s in Status if s in FINISHED]


class WaitReasonFilter(ColumnFilter):
    """Why items wait."""

    title = _("wait reason")
    parameter_name = "wait_reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(r.value, format_lazy("{}: {}", r.value, r.label)) for r in WaitReason]


class QueueFilter(ColumnFilter):
    """Queues that handlers, the settings, people or live items name."""

    title = _("queue")
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return self.with_chosen(stats.known_queues(get_settings().DATABASE))


class BatchFilter(ColumnFilter):
    """Items of a batch, which its page links to: there are too many batches to list.

    The index over batches has them in no order that a list shows: of a large batch it is not used.
    """

    kinds: tuple[str, ...] = ("finished",)

    title = _("batch")
    parameter_name = "batch_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        value = self.value()
        return [(value, f"#{value}")] if value else []

    def has_output(self) -> bool:
        return bool(self.value())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value() or ""
        if not (value.isascii() and value.isdigit() and len(value) < 19):
            return queryset.none()
        self.few = listing.small_batch(get_settings().DATABASE, int(value), **dict.fromkeys(self.kinds, True))
        if self.few:
            return self.of_batch(queryset, int(value))
        found: QuerySet[Any] = queryset.alias(of_batch=Coalesce("batch_id", "batch_id"))
        return found.filter(of_batch=int(value))

    def of_batch(self, queryset: QuerySet[Any], batch_id: int) -> QuerySet[Any]:
        return queryset.filter(batch_id=batch_id)


class DeadBatchFilter(BatchFilter):
    """Dead items of a batch."""

    kinds = ("dead",)


class LiveBatchFilter(BatchFilter):
    """The index over live items of batches leaves out the dead, which have one of their own."""

    kinds = ("live", "dead")

    def of_batch(self, queryset: QuerySet[Any], batch_id: int) -> QuerySet[Any]:
        dead = Q(status=Status.DEAD)
        return queryset.filter((Q(batch_id=batch_id) & ~dead) | (Q(batch_id=batch_id) & dead))


class OperationFilter(ColumnFilter):
    """Operations that have a handler."""

    title = _("operation")
    parameter_name = "operation"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return self.with_chosen(handlers.operations())


class FingerprintFilter(ColumnFilter):
    """Dead items of one cause, which the list of causes links to."""

    title = _("cause")
    parameter_name = "fingerprint"
    in_order = True

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return self.with_chosen(())

    def has_output(self) -> bool:
        return bool(self.value())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()  # "id > 0" asks for the index over causes
        return queryset.filter(fingerprint=value.replace("\0", ""), id__gt=0) if value else queryset


class BreakerFilter(admin.SimpleListFilter):
    """Limits whose circuit breaker is open."""

    title = _("breaker")
    parameter_name = "breaker"
    in_order = True

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("open", _("open"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(opened_at__isnull=False) if self.value() == "open" else queryset


class OutcomeFilter(ColumnFilter):
    """How an attempt failed."""

    title = _("outcome")
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(o.value, o.label) for o in Attempt.Outcome]


ALIVE = Q(lost_at=None, stopped_at=None, lease_expires_at__gte=Now())


class WorkerStateFilter(admin.SimpleListFilter):
    """Whether a worker lives."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("live", _("live")), ("lost", _("lost")), ("stopped", _("stopped"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "live":
                return queryset.filter(ALIVE)
            case "lost":
                return queryset.filter(Q(lost_at__isnull=False) | Q(stopped_at=None, lease_expires_at__lt=Now()))
            case "stopped":
                return queryset.filter(stopped_at__isnull=False)
        return queryset


class KindFilter(ColumnFilter):
    """What kind of worker."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(k.value, k.label) for k in Worker.Kind]
