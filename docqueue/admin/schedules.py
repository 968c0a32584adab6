"""Schedules: made, changed, paused and run by people here; those in the code can be paused and run, not changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from docqueue import handlers, schedules, stats, store, ticks
from docqueue.admin import columns
from docqueue.admin.actions import REASON_MAX
from docqueue.admin.base import ReadOnlyAdmin
from docqueue.conf import get_settings
from docqueue.exceptions import DocqueueError, InvalidItem, UnknownOperation
from docqueue.models import Schedule, ScheduleTick
from docqueue.scheduling import ADMIN, GRACE, plan_of, removable
from docqueue.service import DocumentQueueService

if TYPE_CHECKING:
    Display = str | SafeString
    BaseForm = forms.ModelForm[Schedule]
else:
    BaseForm = forms.ModelForm

SHOWN = 5
PLANNED = ("operation", "cron", "interval_seconds", "time_zone", "missed", "options")
VERBS: dict[str, Any] = {
    "run_now": _("Run now"),
    "pause_schedule": _("Pause"),
    "resume_schedule": _("Resume"),
}


class ScheduleForm(BaseForm):
    """A schedule as a person writes it. What is wrong with it is said at the field that is wrong."""

    class Meta:
        model = Schedule
        fields = ("name", *PLANNED)
        help_texts = {
            "operation": _("A registered operation."),
            "cron": _("Minute, hour, day, month, weekday: 30 2 * * 1-5. Either this or an interval."),
            "interval_seconds": _("Counted from when the schedule was made."),
            "time_zone": _("Whose clocks a cron expression is read off, such as Europe/Berlin."),
            "missed": _("What becomes of ticks that no worker was there for, for more than a minute."),
            "options": _("Arguments of enqueue, as JSON: %(names)s.") % {"names": ", ".join(schedules.OPTIONS)},
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "operation" in self.fields:
            known = {*handlers.operations(), *([self.instance.operation] if self.instance.operation else [])}
            self.fields["operation"] = forms.ChoiceField(
                choices=[(name, name) for name in sorted(known)],
                label=self.fields["operation"].label,
                help_text=self.fields["operation"].help_text,
            )

    def clean(self) -> dict[str, Any]:
        """Refuse what could never enqueue anything."""
        given = {**(super().clean() or {})}
        if given.get("options", 0) is None:
            given["options"] = {}
        if "operation" in self.fields and not self.errors:
            plan = schedules.Plan(name=given.get("name", self.instance.name), **{n: given[n] for n in PLANNED})
            for field, check in self._checks(plan):
                try:
                    check()
                except DocqueueError as error:
                    wrong = "operation" if isinstance(error, UnknownOperation) else field
                    self.add_error(wrong, f"{error} {'' if isinstance(error, InvalidItem) else error.hint}".strip())
                    break
        return given

    def _checks(self, plan: schedules.Plan) -> list[tuple[str, Callable[[], object]]]:
        times = "cron" if plan.cron or plan.interval_seconds is None else "interval_seconds"
        return [
            ("time_zone", lambda: ticks.zone(plan.time_zone)),
            (times, lambda: ticks.check(plan.cron, plan.interval_seconds, plan.time_zone)),
            ("options", lambda: schedules.checked(plan)),
            ("options", lambda: schedules.item(plan.operation, plan.options)),
        ]


@admin.register(Schedule)
class ScheduleAdmin(ReadOnlyAdmin):
    """Schedules of the code and of the admin."""

    heading = _("Schedules")
    empty = _(
        "There is no schedule. Add one here, or name it in the code: service.add_schedule(name, operation, cron=…)"
    )
    form = ScheduleForm
    change_form_template = "admin/docqueue/schedule.html"
    list_display = ("name", "operation", "times", "time_zone", "next_tick", "state", "source")
    list_filter = ("source",)
    search_fields = ("name",)
    search_help_text = _("Part of a name.")
    actions = ("run_chosen", "pause_chosen", "resume_chosen")
    shown = ("state", "next_ticks", "last_ticks", "failure", "source")

    # -- who may what ------------------------------------------------------------------------------------------

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("docqueue.add_schedule")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("docqueue.change_schedule")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return (obj is None or removable(obj)) and request.user.has_perm("docqueue.delete_schedule")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        found = super().get_actions(request)
        found.pop("delete_selected", None)  # those of the code can not be; each has a page with a button
        return found

    # -- the form ----------------------------------------------------------------------------------------------

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("name", *PLANNED, *(self.shown if obj else ()))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        return ("name", *self.shown) if obj.source == ADMIN else ("name", *PLANNED, *self.shown)

    def save_model(self, request: HttpRequest, obj: Schedule, form: Any, change: bool) -> None:
        found = (
            self._service()
            .acting_as(request.user)
            .add_schedule(
                obj.name,
                obj.operation,
                cron=obj.cron,
                seconds=obj.interval_seconds,
                time_zone=obj.time_zone,
                missed=obj.missed,
                **(obj.options or {}),
            )
        )
        obj.pk = found.pk

    def delete_model(self, request: HttpRequest, obj: Schedule) -> None:
        self._service().acting_as(request.user).remove_schedule(obj)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of a schedule, with what can be done to it."""
        found = self.get_object(request, object_id)
        context: dict[str, Any] = {"reason_max": REASON_MAX}
        if found is not None and self.has_change_permission(request):
            verbs = ("run_now", "resume_schedule" if found.paused_at else "pause_schedule")
            context["verbs"] = [(verb, VERBS[verb]) for verb in verbs]
        if found is not None and found.source != ADMIN:
            if request.method == "POST":
                raise PermissionDenied
            context |= {"show_save": False, "show_save_and_continue": False, "show_save_and_add_another": False}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    # -- what a person does ------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        act = path("<int:pk>/do/<str:verb>/", self.admin_site.admin_view(self.act_view), name="docqueue_schedule_do")
        return [act, *super().get_urls()]

    def act_view(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        """One verb on one schedule, from its page."""
        if verb not in VERBS or not self.has_change_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self._do(request, verb, self.get_queryset(request).filter(pk=pk))
        return HttpResponseRedirect(reverse("admin:docqueue_schedule_change", args=[pk]))

    @admin.action(description=_("Run now"), permissions=["change"])
    def run_chosen(self, request: HttpRequest, chosen: QuerySet[Schedule]) -> None:
        self._do(request, "run_now", chosen)

    @admin.action(description=_("Pause"), permissions=["change"])
    def pause_chosen(self, request: HttpRequest, chosen: QuerySet[Schedule]) -> None:
        self._do(request, "pause_schedule", chosen)

    @admin.action(description=_("Resume"), permissions=["change"])
    def resume_chosen(self, request: HttpRequest, chosen: QuerySet[Schedule]) -> None:
        self._do(request, "resume_schedule", chosen)

    def _do(self, request: HttpRequest, verb: str, chosen: QuerySet[Schedule]) -> None:
        acting = self._service().acting_as(request.user)
        reason = request.POST.get("reason", "").strip()[:REASON_MAX]
        done = 0
        for one in chosen:
            try:
                answer = getattr(acting, verb)(one, reason=reason)
            except DocqueueError as error:
                messages.warning(request, f"{one.name}: {error}")
                continue
            there = verb == "run_now" and not answer.created
            if there:
                text = gettext("Schedule %(name)s: nothing was enqueued, as there is item %(id)d with its unique key.")
                messages.warning(request, text % {"name": one.name, "id": answer.id})
            done += bool(answer) and not there
        texts = {
            "run_now": ngettext("%(n)d item enqueued.", "%(n)d items enqueued.", done),
            "pause_schedule": ngettext("%(n)d schedule paused.", "%(n)d schedules paused.", done),
            "resume_schedule": ngettext("%(n)d schedule resumed.", "%(n)d schedules resumed.", done),
        }
        messages.success(request, texts[verb] % {"n": done})

    def _service(self) -> DocumentQueueService:
        return DocumentQueueService(get_settings().DATABASE)

    # -- what is shown -----------------------------------------------------------------------------------------

    @admin.display(description=_("times"))
    def times(self, one: Schedule) -> Display:
        if one.interval_seconds is not None:
            return gettext("every %(time)s") % {"time": stats.in_words(one.interval_seconds)}
        return format_html('<span class="docqueue-text docqueue-when">{}</span>', one.cron)

    @admin.display(description=_("next tick"))
    def next_tick(self, one: Schedule) -> Display:
        return columns.NOTHING if one.paused_at else columns.ago(one.next_at)

    @admin.display(description=_("state"))
    def state(self, one: Schedule) -> Display:
        if one.paused_at:
            return columns.two_lines(gettext("paused"), one.paused_reason)
        if wrong := schedules.problem(plan_of(one)):
            return columns.two_lines(gettext("broken"), wrong)
        if one.last_error:
            return columns.two_lines(gettext("failing"), one.last_error)
        if one.next_at is not None and one.next_at + GRACE < store.clock(get_settings().DATABASE):
            return columns.two_lines(gettext("overdue"), _nobody_came(get_settings().DATABASE))
        return gettext("active")

    @admin.display(description=_("last error"))
    def failure(self, one: Schedule) -> Display:
        """What kept its last tick from being enqueued."""
        if not one.last_error:
            return columns.NOTHING
        since = gettext("since")
        return format_html("{}<br>{} {}", columns.text(one.last_error), since, columns.exact(one.last_error_at))

    @admin.display(description=_("next five ticks"))
    def next_ticks(self, one: Schedule) -> Display:
        """By the clocks of the schedule's zone."""
        try:
            found, zone = self._service().next_ticks(one, SHOWN), ticks.zone(one.time_zone)
        except DocqueueError as error:
            return columns.text(str(error))
        local = [moment.astimezone(zone) for moment in found]
        shown = [(date_format(moment, "D Y-m-d H:i:s"), moment.tzname() or "", columns.ago(moment)) for moment in local]
        lines = format_html_join(SafeString("<br>"), "{} {} ({})", shown) or columns.NOTHING
        if one.paused_at is None:
            return lines
        return format_html("{}<br>{}", gettext("none while it is paused; without the pause:"), lines)

    @admin.display(description=_("last ticks"))
    def last_ticks(self, one: Schedule) -> Display:
        found = ScheduleTick.objects.using(get_settings().DATABASE).filter(schedule_id=one.pk).order_by("-tick_at")
        shown = [(columns.exact(tick.tick_at), columns.item_link(tick.item_id)) for tick in found[:SHOWN]]
        return format_html_join(SafeString("<br>"), "{} {}", shown) or columns.NOTHING


def _nobody_came(using: str) -> str:
    """Why a tick is overdue of which nobody has told that it failed."""
    if stats.serving(using):
        return gettext("workers run, but none has come to it: see their log")
    if stats.cron_is_at_work(using):
        return gettext("it waits for the next run by cron")
    return gettext("no worker runs: manage.py run_queue_worker")
