"""Filters of the lists of items that ask for more than the value of a column: states together, a text, an age."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import DurationField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from docqueue.admin import searching
from docqueue.admin.filters import ALIVE, Choices, LiveStatusFilter
from docqueue.conf import get_settings
from docqueue.models import QueueItem, Worker
from docqueue.states import Status

AGES = {"1h": timedelta(hours=1), "1d": timedelta(days=1), "7d": timedelta(days=7)}
LABELS = {"1h": _("1 hour"), "1d": _("1 day"), "7d": _("7 days")}
NOT_STARTED, STUCK = "not_started", "stuck"
TOGETHER = {NOT_STARTED: (Status.PENDING, Status.WAITING), STUCK: (Status.IN_PROGRESS,)}
"""Choices of the filter for states that are no state, with those that they are about."""
SECOND = Value(timedelta(seconds=1), output_field=DurationField())


class ItemStatusFilter(LiveStatusFilter):
    """States of live items, and two things that people look for."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        more = [(NOT_STARTED, _("not started (pending or waiting)")), (STUCK, _("stuck in progress"))]
        return [*super().lookups(request, model_admin), *more]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value not in TOGETHER:
            return super().queryset(request, queryset)
        found = queryset.filter(status__in=TOGETHER[value])
        return found.filter(stuck()) if value == STUCK else found


def stuck() -> Combinable:
    """What has been in progress for longer than it may run, or belongs to a worker that is not heard of any more."""
    allowed = ExpressionWrapper(F("timeout_seconds") * SECOND, output_field=DurationField())
    alive = Worker.objects.filter(ALIVE, pk=OuterRef("worker_id"))
    return Q(claimed_at__lt=Now() - allowed) | ~Exists(alive)


class InputFilter(admin.SimpleListFilter):
    """Rows whose column is what was typed. Its choices are what else the address holds."""

    template = "admin/docqueue/filter_input.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return []

    def has_output(self) -> bool:
        return True

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        for name, values in changelist.filter_params.items():
            if name != self.parameter_name:
                yield from ({"name": name, "value": value} for value in values)

    def text(self) -> str:
        """What was typed, as far as a column can hold it."""
        return (self.value() or "").replace("\0", "")

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{str(self.parameter_name): self.text()}) if self.value() else queryset


class TenantFilter(InputFilter):
    """Items of a tenant."""

    title = _("tenant")
    parameter_name = "tenant"


class DocumentFilter(InputFilter):
    """Finished items of a document: an index has them."""

    title = _("document")
    parameter_name = "document_id"

    @property
    def few(self) -> bool:
        """An index has them."""
        return bool(self.value())


class LiveDocumentFilter(DocumentFilter):
    """Live ones: see what searching.py says of them."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        return queryset.filter(pk__in=searching.of_document(get_settings().DATABASE, self.text()))


class AgeFilter(admin.SimpleListFilter):
    """What happened longer ago. `column` is the first of the list's key, so that the walk begins there."""

    column, compared = "", "lt"
    parameter_name = "age"
    in_order = True

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return list(LABELS.items())

    def before(self) -> datetime | None:
        """The moment so long ago."""
        age = AGES.get(self.value() or "")
        return None if age is None else datetime.now(UTC) - age

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        before = self.before()
        return queryset if before is None else queryset.filter(**{f"{self.column}__{self.compared}": before})


class DiedAgeFilter(AgeFilter):
    """Dead for longer."""

    title, column = _("dead for more than"), "died_at"


class FinishedAgeFilter(AgeFilter):
    """Finished longer ago."""

    title, column = _("finished more than … ago"), "finished_at"


class EnqueuedAgeFilter(AgeFilter):
    """Enqueued longer ago. No index has that; but ids are drawn in about that order: a long walk begins there."""

    title, column = _("enqueued more than … ago"), "enqueued_at"
    in_order = False

    def start(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows that the walk is about."""
        before = self.before()
        if before is None:
            return queryset
        if not hasattr(self, "last"):
            self.last = last_enqueued_before(get_settings().DATABASE, before)
        return queryset.filter(pk__lte=self.last)


def last_enqueued_before(using: str, before: datetime) -> int:
    """About the last id of a live item that was enqueued before a moment: halving, a look at one row each time."""
    items = QueueItem.objects.using(using).order_by("pk")
    first, last = items.values_list("pk", flat=True).first(), items.values_list("pk", flat=True).last()
    if first is None or last is None:
        return 0
    low, high = first - 1, last  # at `low` and before it was enqueued earlier
    while low < high:
        middle = (low + high + 1) // 2
        found = items.filter(pk__lte=middle, pk__gt=low).order_by("-pk").values_list("pk", "enqueued_at").first()
        if found is None or found[1] < before:
            low = middle
        else:
            high = found[0] - 1
    return low


class WithinFilter(AgeFilter):
    """What happened not longer ago."""

    compared = "gte"
    parameter_name = "within"


class DiedWithinFilter(WithinFilter):
    """Died lately."""

    title, column = _("died within"), "died_at"


class FinishedWithinFilter(WithinFilter):
    """Finished lately."""

    title, column = _("finished within"), "finished_at"
