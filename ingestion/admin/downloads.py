"""The bytes of everybody's files and documents, for staff that may read them: a download, which the audit has."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path

from ingestion import downloads
from ingestion.acting import acting_as
from ingestion.admin.base import REFUSALS
from ingestion.admin.verbs import ActingAdmin
from ingestion.models import Blob


class DownloadAdmin(ActingAdmin):
    """A page with a link to the bytes behind it, with the permission `view_content`."""

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_content"
        view = transaction.non_atomic_requests(self.admin_site.admin_view(self.content_view))
        return [path("<int:pk>/content/", view, name=name), *super().get_urls()]

    def stored(self, row: Any) -> tuple[Blob | None, str, str]:
        """What is stored of a row, under which name, and as what it was detected."""
        raise NotImplementedError

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if row is not None and self.may(request, "download") and self.stored(row)[0] is not None:
            context["download"] = self.address("content", row.pk)
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def content_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The bytes, always as an attachment; one that was refused is told on the row's page."""
        if not self.may(request, "download"):
            raise PermissionDenied
        row = self.rows([pk]).get(pk)
        if row is None:
            return HttpResponseRedirect(self.page_of(pk))  # which says that there is none
        blob, name, detected = self.stored(row)
        try:
            answer = downloads.serve(request, blob, name, detected)
            getattr(acting_as(request.user), f"download_{self.noun}")(row)
        except REFUSALS as error:
            messages.error(request, f"{error} {error.hint}".strip())
            return HttpResponseRedirect(self.page_of(pk))
        return answer
