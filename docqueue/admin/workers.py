"""Workers: who lives, when each was last heard of, and what it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from docqueue.admin import columns, filters
from docqueue.admin.staffing import StaffingAdmin, alive
from docqueue.conf import get_settings
from docqueue.models import QueueItem, Worker
from docqueue.states import Status

if TYPE_CHECKING:
    Display = str | SafeString

HELD_SHOWN = 100
RUNNING_SHOWN = 3  # in the list


@admin.register(Worker)
class WorkerAdmin(StaffingAdmin):
    """Workers, cron runs and callers, the latest start first."""

    heading = _("Workers")
    list_display = ("id", "name", "state", "heartbeat", "serves", "busy", "holds", "memory", "cpu", "database", "kind_")
    list_display_links = ("id", "name")
    list_filter = (filters.WorkerStateFilter, filters.KindFilter)
    fields = ("name", "state", "asked_shown", "kind_", "hostname", "pid", "serves", "processes", "busy", "memory",
              "cpu", "database", "started", "heartbeat_exact", "lease", "lost", "stopped", "slots", "info_shown",
              "items")  # fmt: skip
    readonly_fields = fields
    change_form_template = "admin/docqueue/worker.html"

    def prepare_page(self, rows: Sequence[Any]) -> None:
        held = _held().filter(worker_id__in=[w.pk for w in rows]).values("worker_id").annotate(held=Count("*"))
        counts: Counter[int] = Counter({row["worker_id"]: row["held"] for row in held.order_by()})
        for worker in rows:
            worker.held_shown = counts[worker.pk]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        empty = gettext("No worker has reported. Start one: manage.py run_queue_worker")
        return super().changelist_view(request, {"docqueue_empty": empty, **(extra_context or {})})

    @admin.display(description=_("state"))
    def state(self, worker: Worker) -> Display:
        if worker.stopped_at:
            return columns.badge("stopped", gettext("stopped"))
        if not alive(worker):
            return columns.badge("lost", gettext("lost"))
        if worker.asked == Worker.Asked.STOP:
            return columns.badge("waiting", gettext("stopping"))
        if worker.asked == Worker.Asked.QUIET:
            return columns.badge("waiting", gettext("quiet"))
        return columns.badge("live", gettext("live"))

    @admin.display(description=_("asked"))
    def asked_shown(self, worker: Worker) -> Display:
        if worker.asked is None:
            return columns.NOTHING
        said = gettext("%(what)s, by %(who)s,") % {"what": worker.get_asked_display(), "who": worker.asked_by or "–"}
        return format_html("{} {}", columns.text(said), columns.ago(worker.asked_at))

    @admin.display(description=_("busy"))
    def busy(self, worker: Worker) -> Display:
        """How many of its processes run an item, at its last heartbeat, and the first of these items."""
        found = slots(worker)
        if not found or not alive(worker):
            return columns.NOTHING
        running = [slot["item_id"] for slot in found if "item_id" in slot]
        said = gettext("%(busy)d of %(size)d") % {"busy": len(running), "size": len(found)}
        links = format_html_join(", ", "{}", ((columns.item_link(item),) for item in running[:RUNNING_SHOWN]))
        more = " …" if len(running) > RUNNING_SHOWN else ""
        return format_html("{}{}{}{}", said, ": " if running else "", links, more)

    @admin.display(description=_("memory"))
    def memory(self, worker: Worker) -> Display:
        """Of the worker and its processes; those that share one (threads) are counted once."""
        if not alive(worker) or "rss_mb" not in worker.info:
            return columns.NOTHING
        return f"{_sum(worker, 'rss_mb'):,} MiB"

    @admin.display(description=_("CPU"))
    def cpu(self, worker: Worker) -> Display:
        """The same, in per cent of one processor."""
        if not alive(worker) or "cpu" not in worker.info:
            return columns.NOTHING
        return f"{_sum(worker, 'cpu'):,} %"

    @admin.display(description=_("database"))
    def database(self, worker: Worker) -> Display:
        return columns.text(worker.info.get("database")) if alive(worker) else columns.NOTHING

    @admin.display(description=_("kind"))
    def kind_(self, worker: Worker) -> Display:
        return worker.get_kind_display()

    @admin.display(description=_("queues"))
    def serves(self, worker: Worker) -> Display:
        if worker.kind == Worker.Kind.CALLER:
            return columns.NOTHING
        served = ", ".join(worker.queues) if worker.queues else gettext("all")
        if worker.excluded:
            served = gettext("%(queues)s but %(excluded)s") % {
                "queues": served,
                "excluded": ", ".join(worker.excluded),
            }
        return columns.text(served)

    @admin.display(description=_("holds"))
    def holds(self, worker: Worker) -> Display:
        held: int = getattr(worker, "held_shown", 0)
        return str(held) if held else columns.NOTHING

    @admin.display(description=_("last heartbeat"))
    def heartbeat(self, worker: Worker) -> Display:
        return columns.ago(worker.heartbeat_at)

    @admin.display(description=_("started"))
    def started(self, worker: Worker) -> Display:
        return columns.exact(worker.started_at)

    @admin.display(description=_("last heartbeat"))
    def heartbeat_exact(self, worker: Worker) -> Display:
        return columns.exact(worker.heartbeat_at)

    @admin.display(description=_("lease expires"))
    def lease(self, worker: Worker) -> Display:
        return columns.exact(worker.lease_expires_at)

    @admin.display(description=_("lost"))
    def lost(self, worker: Worker) -> Display:
        return columns.exact(worker.lost_at)

    @admin.display(description=_("stopped"))
    def stopped(self, worker: Worker) -> Display:
        return columns.exact(worker.stopped_at)

    @admin.display(description=_("executor processes at the last heartbeat"))
    def slots(self, worker: Worker) -> Display:
        rows = (
            (slot.get("pid"), slot.get("rss_mb"), slot.get("cpu", 0), slot.get("database", gettext("closed")),
             *self._at_work(slot))
            for slot in slots(worker)
        )  # fmt: skip
        shown = "<div>pid {}, {} MiB, CPU {} %, connection {}: {} {} {}</div>"
        return format_html_join("\n", shown, rows) or columns.NOTHING

    @staticmethod
    def _at_work(slot: dict[str, Any]) -> tuple[Display, Display, Display]:
        if "item_id" not in slot:
            return gettext("idle"), "", ""
        stalled = columns.badge("stalled", gettext("stalled")) if slot.get("stalled") else ""
        said = format_html(
            "{}, {} {}",
            columns.text(slot.get("operation")),
            gettext("started"),
            columns.ago(_moment(slot.get("since"))),
        )
        return columns.item_link(slot["item_id"]), said, stalled

    @admin.display(description=_("info"))
    def info_shown(self, worker: Worker) -> Display:
        rest = {
            name: value for name, value in worker.info.items() if name not in ("slots", "rss_mb", "cpu", "database")
        }
        return columns.as_json(rest) if rest else columns.NOTHING

    @admin.display(description=_("items in progress"))
    def items(self, worker: Worker) -> Display:
        held = _held().filter(worker_id=worker.pk).order_by("id").defer("payload", "metadata")[:HELD_SHOWN]
        reasons = columns.Reasons(get_settings().DATABASE)
        rows = ((columns.item_link(item.pk), item.operation, reasons.why(item)) for item in held)
        return (
            format_html_join("\n", '<div>{} {}: <span class="docqueue-text">{}</span></div>', rows) or columns.NOTHING
        )


def slots(worker: Worker) -> list[dict[str, Any]]:
    """What its processes were at, as it told with its last heartbeat."""
    return [slot for slot in worker.info.get("slots", ()) if isinstance(slot, dict)]


def _moment(said: Any) -> datetime | None:
    """A time as a worker wrote it."""
    try:
        found = datetime.fromisoformat(said)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _sum(worker: Worker, name: str) -> int:
    by_process = {slot.get("pid"): slot.get(name) for slot in slots(worker)}
    return sum(int(value) for value in (worker.info.get(name), *by_process.values()) if isinstance(value, int | float))


def _held() -> Any:
    return QueueItem.objects.using(get_settings().DATABASE).filter(status=Status.IN_PROGRESS)
