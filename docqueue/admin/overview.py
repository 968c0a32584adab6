"""Everything at a glance, kept up to date by a fragment that the page asks for: see static/docqueue/overview.js."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags
from django.utils.safestring import SafeString
from django.utils.timezone import get_current_timezone_name, localtime
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from docqueue import snapshot, stats
from docqueue.admin import banner, charts
from docqueue.admin.base import ReadOnlyAdmin
from docqueue.admin.failures import CANARIES
from docqueue.admin.pausing import PERMISSION
from docqueue.conf import get_settings
from docqueue.models import Overview
from docqueue.snapshot import Ended, Series, Snapshot

ASKED_FOR = ("change_queue", "view_worker", "view_queue", "requeue_item")
NAMES = ("pending", "in_progress", "waiting", "retrying", "failed")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One queue, in the words and figures that its row shows. `counts`: by `NAMES`."""

    name: str
    counts: dict[str, int | str]
    oldest: str
    per_minute: str
    wait_half: str
    wait_most: str
    dead_hour: int
    dead_day: int
    workers: int
    paused: Any


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart, and its twin: the same as a table. `peak`: how many its highest bar stands for."""

    title: str
    picture: SafeString
    peak: int
    unit: str
    rows: list[tuple[str, int, int, int]]
    first: str
    last: str


@dataclass(frozen=True, kw_only=True)
class Hand:
    """One worker."""

    pk: int
    name: str
    serves: str
    busy: int
    size: int
    database: str
    asked: str


@admin.register(Overview)
class OverviewAdmin(ReadOnlyAdmin):
    """A page and its fragment; there is no list."""

    class Media:
        css = {"all": ("docqueue/admin.css", "docqueue/overview.css")}

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Who may see queue items may see how many there are."""
        return request.user.has_perm("docqueue.view_queueitem")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("", view(self.changelist_view), name="docqueue_overview_changelist"),
            path("live/", view(self.live_view, cacheable=True), name="docqueue_overview_live"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The page, which says all there is also where no script runs."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = snapshot.current(get_settings().DATABASE)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Overview"),
            "opts": self.opts,
            "media": self.media,
            "live": fragment(found, request.user),
            "at": localtime(found.at),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/docqueue/overview.html", context)

    def live_view(self, request: HttpRequest) -> HttpResponse:
        """The part that changes; 304 for who has it as it is."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        text = fragment(snapshot.current(get_settings().DATABASE), request.user)
        etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
        known = parse_etags(request.headers.get("If-None-Match", ""))
        answer: HttpResponse = HttpResponseNotModified() if _weak(etag) in map(_weak, known) else HttpResponse(text)
        answer["ETag"], answer["Cache-Control"] = etag, "private, no-cache"
        patch_vary_headers(answer, ("Cookie",))
        return answer


def _weak(etag: str) -> str:
    """Without the mark that a proxy adds when it compresses."""
    return etag.removeprefix("W/")


def fragment(found: Snapshot, user: Any) -> SafeString:
    """What changes, for people who may do what this one may: made once of each snapshot."""
    may = frozenset(name for name in ASKED_FOR if user.has_perm(f"docqueue.{name}"))
    return _rendered(found, may, get_language() or "", get_current_timezone_name())


@lru_cache(maxsize=32)
def _rendered(found: Snapshot, may: frozenset[str], _language: str, _zone: str) -> SafeString:
    total = found.stats.total
    context = {
        "hints": banner.in_words(found.unserved()),
        "paused": found.stats.paused,
        "breakers": [one.in_words(found.at) for one in found.stats.breakers],
        "notes": found.stats.notes(),
        "total": total,
        "per_minute": _rate(sum(one.finished_per_minute for one in found.stats.queues.values())),
        "oldest": _words(max((c.oldest_due_seconds or 0.0 for c in found.stats.queues.values()), default=0.0)),
        "dead_hour": found.slow.total.dead_hour,
        "dead_day": found.slow.total.dead_day,
        "lines": lines(found),
        "charts": pictures(found.slow.total),
        "causes": found.slow.causes,
        "hands": [hand(worker) for worker in found.workers],
        "workers": found.stats.workers,
        "may_pause": PERMISSION.removeprefix("docqueue.") in may,
        "may_see_workers": "view_worker" in may,
        "may_see_queues": "view_queue" in may,
        "may_requeue": "requeue_item" in may,
        "canaries": CANARIES,
    }
    return SafeString(render_to_string("admin/docqueue/overview_live.html", context))


def lines(found: Snapshot, names: Sequence[str] | None = None) -> list[Line]:
    """A line for each of these queues, or of all."""
    paused = {one.queue: one for one in found.stats.paused}
    return [_line(found, name, paused.get(name)) for name in (found.names() if names is None else names)]


def _line(found: Snapshot, name: str, paused: Any) -> Line:
    counts = found.stats.of(name)
    series, waits = found.series(name), found.slow.waits.get(name)
    return Line(
        name=name,
        counts={
            kind: counts.in_words(kind) if kind in counts.counted_seconds_ago else getattr(counts, kind)
            for kind in NAMES
        },
        oldest=_words(counts.oldest_due_seconds),
        per_minute=_rate(counts.finished_per_minute),
        wait_half=_short(waits.p50_seconds) if waits and waits.number else "–",
        wait_most=_short(waits.p95_seconds) if waits and waits.number else "–",
        dead_hour=series.dead_hour,
        dead_day=series.dead_day,
        workers=counts.workers,
        paused=paused,
    )


def pictures(series: Series) -> list[Chart]:
    """What ended in the last hour by minute, and in the last day by hour."""
    return [
        _chart(gettext("The last hour, by minute"), gettext("a minute"), series.minutes),
        _chart(gettext("The last 24 hours, by hour"), gettext("an hour"), series.hours),
    ]


def _chart(title: str, unit: str, each: Sequence[Ended]) -> Chart:
    rows = [(f"{localtime(one.at):%H:%M}", one.completed, one.cancelled, one.dead) for one in each]
    peak = max((one.completed + one.cancelled + one.dead for one in each), default=0)
    text = gettext("%(title)s: %(completed)s completed, %(cancelled)s cancelled, %(dead)s failed for good")
    sums = {name: f"{sum(getattr(one, name) for one in each):,}" for name in ("completed", "cancelled", "dead")}
    return Chart(
        title=title,
        picture=charts.stacked(
            [(one.completed + one.cancelled, one.dead) for one in each], text % {"title": title, **sums}
        ),
        peak=peak,
        unit=unit,
        rows=rows,
        first=rows[0][0],
        last=rows[-1][0],
    )


def hand(worker: Any) -> Hand:
    """A worker as its row shows it."""
    slots = [slot for slot in worker.info.get("slots", ()) if isinstance(slot, dict)]
    served = ", ".join(worker.queues) or gettext("all")
    if worker.excluded:
        served = gettext("%(queues)s but %(excluded)s") % {"queues": served, "excluded": ", ".join(worker.excluded)}
    return Hand(
        pk=worker.pk,
        name=worker.name,
        serves=served,
        busy=sum(1 for slot in slots if "item_id" in slot),
        size=len(slots) or worker.processes,
        database=str(worker.info.get("database", "–")),
        asked=worker.get_asked_display() or "",
    )


def _words(seconds: float | None) -> str:
    """How long, coarsely: what is under a second is no wait to speak of, and changes all the time."""
    return "–" if not seconds or seconds < 1 else stats.in_words(seconds)


def _short(seconds: float) -> str:
    """A short wait to a tenth of a second, a long one in words."""
    return f"{seconds:.1f} s" if seconds < 10 else stats.in_words(seconds)


def _rate(number: float) -> str:
    """So many a minute."""
    return f"{number:,.0f}" if number >= 10 else f"{number:,.1f}"
