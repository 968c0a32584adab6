"""Items: live ones, dead letters, and the history. One page for each item, with why it is where it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from docqueue import family, handlers, listing
from docqueue.admin import actions, columns, filters, item_filters, kin, related, searching, timeline
from docqueue.admin.base import KeysetChangeList
from docqueue.admin.bulk_start import BulkStarting
from docqueue.admin.item_changes import ItemChanges, cloned_from, may_change
from docqueue.admin.item_columns import ItemColumns
from docqueue.conf import get_settings
from docqueue.models import DeadItem, HistoryItem, Progress, QueueItem
from docqueue.states import LIVE, WAITING_FOR_TIME, Status, WaitReason

if TYPE_CHECKING:
    Display = str | SafeString

LIVE_LIST, DEAD_LIST = "admin:docqueue_queueitem_changelist", "admin:docqueue_deaditem_changelist"
PRESETS: tuple[tuple[Any, str, str], ...] = (
    (_("Failing now"), DEAD_LIST, "within=1h"),
    (_("Retrying"), LIVE_LIST, "wait_reason=retry"),
    (_("Waiting over 1 hour"), LIVE_LIST, "status=not_started&age=1h"),
    (_("Running"), LIVE_LIST, "status=in_progress"),
    (_("Stuck in progress"), LIVE_LIST, "status=stuck"),
)
"""What people look for again and again: a list, and the query of its address, which is all there is to a filter."""
FOUND_BY = {"status", "queue", "wait_reason", "age"}
SHOWN = 50  # children on an item's page


class ItemAdmin(ItemColumns, ItemChanges, BulkStarting):
    """What live, dead and finished items have in common."""

    list_display: tuple[str, ...] = ("id_", "what", "document", "state", "why", "tries", "age")
    list_display_links = ("id_",)
    search_fields = ("id",)  # shows the search box; what is searched stands in get_search_results
    search_help_text = _("Exact id, document, unique key, ordering key or operation.")
    search = staticmethod(searching.live)
    change_form_template = "admin/docqueue/item.html"
    presets = PRESETS
    about: tuple[str, ...] = ("operation", "document", "queue", "priority")
    running: tuple[str, ...] = ("tries", "crashes", "timeout_seconds", "worker", "ordering_key", "unique_key")
    rules: tuple[str, ...] = ("tenant", "limit", "concurrency", "batch")
    times: tuple[str, ...] = ("enqueued", "starts_after", "next_try", "claimed", "cancel_asked", "died")
    failure: tuple[str, ...] = ("error_code", "fingerprint")
    data: tuple[str, ...] = ("payload_shown", "metadata_shown")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may see queue items may see them in every list."""
        return request.user.has_perm("docqueue.view_queueitem")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found = super().get_queryset(request)
        return found if request.resolver_match and "object_id" in request.resolver_match.kwargs else self.slim(found)

    def slim(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Without the columns that can be large, for lists."""
        return queryset.defer("payload", "metadata")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Exact matches only: of an operation that there is, or of the id, the document, or a key."""
        term = search_term.strip().replace("\0", "")
        if not term:
            return queryset, False
        if term in handlers.operations():
            return queryset.filter(operation=term), False
        return queryset.filter(pk__in=self.search(get_settings().DATABASE, term)), False

    def looks_through(self, term: str) -> bool:
        """Operations: whatever else is searched, its ids are found first."""
        return term.strip().replace("\0", "") in handlers.operations()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        here = f"{request.path}?{request.GET.urlencode()}"
        links = [(there := f"{reverse(name)}?{query}", label, there == here) for label, name, query in self.presets]
        return super().changelist_view(request, {"docqueue_presets": links, **(extra_context or {})})

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only what there is to say about this item, a few values a line."""
        lines = [self._said(obj, names) for names in (self.about, self.running, self.rules, self.failure)]
        groups: list[tuple[Any, dict[str, Any]]] = [(None, {"fields": [("state", "why"), *filter(None, lines)]})]
        groups.append((_("Times"), {"fields": self._said(obj, self.times)}))
        if request.user.has_perm("docqueue.view_payload"):
            groups.append((_("Data"), {"fields": self.data}))
        return groups

    def _said(self, item: Any, names: Sequence[str]) -> tuple[str, ...]:
        """Those of these fields that have a value."""
        values = ((name, getattr(self, name, None)) for name in names)
        shown = ((name, own(item) if callable(own) else getattr(item, name)) for name, own in values)
        return tuple(name for name, value in shown if value not in (None, "", columns.NOTHING))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("state", "why", *self.about, *self.running, *self.rules, *self.times, *self.failure, *self.data)

    def prepare_page(self, rows: Sequence[Any]) -> None:
        reasons = columns.Reasons(get_settings().DATABASE)
        for item in rows:
            item.reason_shown = reasons.why(item)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of an item; one that has left this list is followed to where it is now."""
        if not self.has_view_permission(request):
            raise PermissionDenied  # before anything tells whether there is such an item
        item = self.get_object(request, object_id)
        if item is None and object_id.isascii() and object_id.isdigit() and len(object_id) < 19:
            elsewhere = _page_of(int(object_id))
            if elsewhere:
                return HttpResponseRedirect(elsewhere)
        context = self._beside(request, item) if item is not None else {}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def _beside(self, request: HttpRequest, item: Any) -> dict[str, Any]:
        using, user = get_settings().DATABASE, request.user
        steps = timeline.steps(using, item, results=user.has_perm("docqueue.view_payload"))
        verbs = self.verbs_for(item)
        if steps and (requeue := actions.VERBS["requeue"]) in verbs:
            verbs.insert(verbs.index(requeue) + 1, actions.VERBS["requeue_afresh"])
        return {
            "title": f"{item.operation} #{item.pk}",
            "subtitle": None,
            "verbs": [v for v in verbs if actions.may(user, v)],
            "changes": [(name, button) for name, button in self.changes_for(item) if may_change(user, name)],
            "steps": steps,
            "family": family.relatives(using, item.pk, SHOWN),
            "links": related.links(item, user),
            "related": kin.groups(using, item, cloned_from(item)),
            "timeline": timeline.events(using, item, audit=user.has_perm("docqueue.view_auditentry")),
            "may_see_tracebacks": user.has_perm("docqueue.view_attempt"),
            "progress": Progress.objects.using(using).filter(item_id=item.pk).first(),
            "reason_max": actions.REASON_MAX,
        }

    def verbs_for(self, item: Any) -> list[actions.Verb]:
        """What can be done to the item as it is."""
        return []


GOES_ON = (*WAITING_FOR_TIME, WaitReason.DEPENDENCY)
"""What `run_now` can let go on; what waits for its turn, its slot or its limit goes on when that lets it."""


class ActingAdmin(ItemAdmin):
    """Lists in which something can be done to items."""

    def few(self, changelist: KeysetChangeList) -> Sequence[int] | None:
        asked = {name: values[-1] for name, values in changelist.get_filters_params().items()}
        status = asked.get("status", "")
        known = item_filters.TOGETHER.get(status) or tuple(s for s in LIVE if s == status)
        if self.bulk_filter:
            known = (Status(self.bulk_filter["status"]),)
        narrowed = {name: asked[name].replace("\0", "") for name in ("queue", "wait_reason") if asked.get(name)}
        return listing.few_live(get_settings().DATABASE, known, **narrowed) if {*asked} & FOUND_BY else None

    def get_urls(self) -> list[URLPattern]:
        info = (self.opts.app_label, self.opts.model_name)
        act = path(
            "<int:item_id>/do/<str:verb>/", self.admin_site.admin_view(self.act_view), name="{}_{}_do".format(*info)
        )
        return [act, *super().get_urls()]

    def act_view(self, request: HttpRequest, item_id: int, verb: str) -> HttpResponse:
        """One verb on one item, from its page."""
        found = actions.VERBS.get(verb)
        if found is None or not self.has_view_permission(request) or not actions.may(request.user, found):
            raise PermissionDenied
        asks = found.destructive and not actions.has_confirmed(request, needs_reason=found.needs_reason)
        if request.method != "POST" or asks:
            return actions.confirmation(request, self, found, [item_id], single=True)
        actions.perform(request, found, [item_id], actions.reason_of(request))
        return HttpResponseRedirect(reverse("admin:docqueue_queueitem_change", args=[item_id]))

    def act_on_chosen(self, request: HttpRequest, verb: actions.Verb) -> HttpResponse | None:
        """One verb on the items ticked in the list."""
        ids = actions.chosen(request)
        if verb.destructive and not actions.has_confirmed(request, needs_reason=verb.needs_reason):
            return actions.confirmation(request, self, verb, ids, single=False)
        actions.perform(request, verb, ids, actions.reason_of(request))
        return None

    def has_requeue_item_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("docqueue.requeue_item")

    def has_cancel_item_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("docqueue.cancel_item")

    def verbs_for(self, item: Any) -> list[actions.Verb]:
        status = Status(item.status)
        names = ["requeue"] if status == Status.DEAD else []
        if status == Status.WAITING and item.wait_reason in GOES_ON:
            names.append("run_now")
        names.append("discard" if status == Status.DEAD else "cancel")
        return [actions.VERBS[name] for name in names]


@admin.register(QueueItem)
class QueueItemAdmin(ActingAdmin):
    """Live items."""

    heading = _("Live items")
    empty = _("No item is live. A program makes one: service.enqueue(document_id, operation)")
    list_filter = (item_filters.ItemStatusFilter, filters.QueueFilter, filters.OperationFilter,
                   filters.WaitReasonFilter, item_filters.EnqueuedAgeFilter, item_filters.TenantFilter,
                   item_filters.LiveDocumentFilter, filters.LiveBatchFilter)  # fmt: skip
    actions = ("requeue", "cancel")
    bulk_actions = ("requeue", "cancel", "priority")

    @admin.action(description=_("Requeue, or run now what waits for its time"), permissions=["requeue_item"])
    def requeue(self, request: HttpRequest, queryset: QuerySet[QueueItem]) -> HttpResponse | None:
        return self.act_on_chosen(request, actions.VERBS["requeue"])

    @admin.action(description=_("Cancel …"), permissions=["cancel_item"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[QueueItem]) -> HttpResponse | None:
        return self.act_on_chosen(request, actions.VERBS["cancel"])


@admin.register(DeadItem)
class DeadItemAdmin(ActingAdmin):
    """The dead-letter queue, the latest death first."""

    heading = _("Dead letters")
    empty = _("No item is dead. What fails for good is kept here until somebody requeues or discards it.")
    keyset = ("died_at", "id")
    list_display = ("id_", "what", "document", "failed_with", "tries", "dead_since")
    list_filter = (filters.FingerprintFilter, filters.QueueFilter, filters.OperationFilter,
                   item_filters.DiedWithinFilter, item_filters.DiedAgeFilter, item_filters.TenantFilter,
                   item_filters.LiveDocumentFilter, filters.DeadBatchFilter)  # fmt: skip
    actions = ("requeue", "discard")
    bulk_actions = ("requeue", "discard")
    bulk_filter = {"status": Status.DEAD.value}
    bulk_by_age = "discard"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(status=Status.DEAD)

    @admin.display(description=_("failure"))
    def failed_with(self, item: DeadItem) -> Display:
        return columns.two_lines(item.error_message or columns.NOTHING, item.error_code or "")

    @admin.display(description=_("died"))
    def dead_since(self, item: DeadItem) -> Display:
        return columns.ago(item.died_at)

    @admin.action(description=_("Requeue"), permissions=["requeue_item"])
    def requeue(self, request: HttpRequest, queryset: QuerySet[DeadItem]) -> HttpResponse | None:
        return self.act_on_chosen(request, actions.VERBS["requeue"])

    @admin.action(description=_("Discard …"), permissions=["cancel_item"])
    def discard(self, request: HttpRequest, queryset: QuerySet[DeadItem]) -> HttpResponse | None:
        return self.act_on_chosen(request, actions.VERBS["discard"])


def _page_of(item_id: int) -> str | None:
    """The page of an item wherever it is now; None when there is no such item."""
    using = get_settings().DATABASE
    if QueueItem.objects.using(using).filter(pk=item_id).exists():
        return reverse("admin:docqueue_queueitem_change", args=[item_id])
    if HistoryItem.objects.using(using).filter(pk=item_id).exists():
        return reverse("admin:docqueue_historyitem_change", args=[item_id])
    return None
