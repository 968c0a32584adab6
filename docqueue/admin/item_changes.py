"""What asks for more than a reason: another priority, and a new item made from this one with some of it changed."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.widgets import AdminTextareaWidget, AdminTextInputWidget
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from docqueue import redaction
from docqueue.acting import PERMISSIONS
from docqueue.admin.actions import REASON_MAX
from docqueue.admin.base import ReadOnlyAdmin
from docqueue.admin.bulk_start import ask
from docqueue.conf import get_settings
from docqueue.exceptions import DocqueueError, InvalidItem
from docqueue.service import DocumentQueueService
from docqueue.states import Status, allowed

CHANGES = {"change_priority": _("Change priority"), "clone": _("Clone with edits")}


def may_change(user: Any, name: str) -> bool:
    """Whether `user` may do this."""
    return bool(user.has_perm(PERMISSIONS[name]))


def cloned_from(item: Any) -> int | None:
    """The item that this one was made from, if it says so."""
    found = item.metadata.get("cloned_from") if isinstance(item.metadata, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 < found < 2**63 else None


class CloneForm(forms.Form):
    """The new item. The payload is left out for those who may not see it: then it is the same."""

    operation = forms.CharField(label=_("Operation"), max_length=200, widget=AdminTextInputWidget)
    queue = forms.CharField(label=_("Queue"), max_length=64, widget=AdminTextInputWidget)
    priority = forms.IntegerField(
        label=_("Priority"), min_value=-100, max_value=100, help_text=_("-100 to 100, higher first.")
    )
    document_id = forms.CharField(
        label=_("Document"),
        max_length=255,
        required=False,
        strip=False,
        widget=AdminTextInputWidget,
        help_text=_("Empty: none."),
    )
    payload = forms.CharField(
        label=_("Payload (JSON)"),
        widget=AdminTextareaWidget(
            attrs={"rows": 16, "cols": 80, "spellcheck": "false", "class": "vLargeTextField docqueue-json"}
        ),
        help_text=_("What is hidden stays as it is in the item, wherever you leave it alone."),
    )
    reason = forms.CharField(label=_("Reason"), max_length=REASON_MAX, required=False, widget=AdminTextInputWidget)

    def clean_payload(self) -> Any:
        """A JSON object."""
        try:
            found = json.loads(self.cleaned_data["payload"])
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(
                gettext("That is no JSON: %(error)s.") % {"error": error}, code="no_json"
            ) from error
        if not isinstance(found, dict):
            raise forms.ValidationError(gettext("A payload is a JSON object: {…}."), code="no_object")
        return found


class ItemChanges(ReadOnlyAdmin):
    """Two pages of an item, each with a form."""

    def get_urls(self) -> list[URLPattern]:
        name, view = f"{self.opts.app_label}_{self.opts.model_name}", self.admin_site.admin_view
        return [
            path("<int:item_id>/priority/", view(self.priority_view), name=f"{name}_change_priority"),
            path("<int:item_id>/clone/", view(self.clone_view), name=f"{name}_clone"),
            *super().get_urls(),
        ]

    def changes_for(self, item: Any) -> list[tuple[str, Any]]:
        """What can be changed of the item as it is."""
        names = ["change_priority"] if allowed("change_priority", Status(item.status)) else []
        return [(name, CHANGES[name]) for name in (*names, "clone")]

    def _look(self, request: HttpRequest, item_id: int, name: str) -> Any:
        """The item, live or finished, for those who may; None when it is no more."""
        if not self.has_view_permission(request) or not may_change(request.user, name):
            raise PermissionDenied
        try:
            return DocumentQueueService(get_settings().DATABASE).get_item(item_id)
        except DocqueueError:
            return None

    def priority_view(self, request: HttpRequest, item_id: int) -> HttpResponse:
        """Ask for the new priority and a reason, then change it."""
        item, back = self._look(request, item_id, "change_priority"), _page(item_id)
        if item is None:
            return HttpResponseRedirect(back)  # which says that there is none
        if request.method != "POST" or "confirmed" not in request.POST:
            question = _("A pending item goes to the end of its new lane.")
            lines = [(gettext("item"), str(item)), (gettext("priority now"), str(item.priority))]
            return ask(self, request, CHANGES["change_priority"], question, lines, back, number=True)
        given, reason = request.POST.get("priority", "").strip(), request.POST.get("reason", "").strip()[:REASON_MAX]
        number = int(given) if given.removeprefix("-").isdecimal() and len(given) < 5 else given
        acting = DocumentQueueService(get_settings().DATABASE).acting_as(request.user)
        try:
            changed = acting.change_priority(item_id, number, reason=reason)
        except DocqueueError as error:
            messages.warning(request, gettext("Nothing was changed: %(reason)s") % {"reason": error})
        else:
            told = (
                gettext("The priority is %(number)s now.")
                if changed
                else gettext("It had priority %(number)s already.")
            )
            messages.success(request, told % {"number": number})
        return HttpResponseRedirect(back)

    def clone_view(self, request: HttpRequest, item_id: int) -> HttpResponse:
        """Show the item as a form, then enqueue what was made of it."""
        item, back = self._look(request, item_id, "clone"), _page(item_id)
        if item is None:
            return HttpResponseRedirect(back)
        seen = redaction.shown(item.operation, item.payload)
        first = {name: getattr(item, name) for name in ("operation", "queue", "priority", "document_id")}
        first["payload"] = json.dumps(seen, indent=2, ensure_ascii=False)
        form = CloneForm(request.POST if request.method == "POST" else None, initial=first)
        if not request.user.has_perm("docqueue.view_payload"):
            del form.fields["payload"]
        if form.is_valid():
            try:
                new = self._clone(request, item, seen, dict(form.cleaned_data))
            except DocqueueError as error:
                form.add_error(None, f"{error} {error.hint}".strip())
            else:
                messages.success(request, gettext("Item #%(id)d was enqueued.") % {"id": new.id})
                return HttpResponseRedirect(_page(new.id))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Clone item #%(id)d") % {"id": item.pk},
            "opts": self.opts,
            "media": self.media + form.media,
            "form": form,
            "item": item,
            "back": back,
        }
        return TemplateResponse(request, "admin/docqueue/clone.html", context)

    def _clone(self, request: HttpRequest, item: Any, seen: Any, given: dict[str, Any]) -> Any:
        payload = given.pop("payload", None)
        if payload is not None:
            whole = redaction.restored(payload, seen, item.payload)
            if given["operation"] != item.operation and whole != payload:  # who may see it there is another matter
                raise InvalidItem(
                    gettext("What is hidden of the payload can not go to another operation."),
                    hint=gettext("Keep the operation, or write the payload without what is hidden."),
                )
            given["payload"] = whole
        given["document_id"] = given["document_id"] or None
        acting = DocumentQueueService(get_settings().DATABASE).acting_as(request.user)
        return acting.clone(item.pk, **given)


def _page(item_id: int) -> str:
    return reverse("admin:docqueue_queueitem_change", args=[item_id])
