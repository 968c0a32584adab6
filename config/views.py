"""The few pages that belong to neither app."""

from __future__ import annotations

from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request

from config import login_links
from docqueue.receivers.metrics import scrape
from ingestion.diagnostics import metrics as km_metrics


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """What is where."""
    return render(request, "home.html")


@require_GET
@never_cache
def one_time_login(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """Log in by a link that was printed at the terminal; it works once."""
    user = login_links.user_for(uid, token)
    if user is None:
        return render(request, "login_link_used.html", status=410)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return redirect("admin:index")


@extend_schema(exclude=True)
@api_view(["GET"])
@permission_classes([IsAdminUser])
def metrics(request: Request) -> HttpResponse:  # noqa: ARG001 - a view has one
    """The queue's metrics for Prometheus, and ingestion's: staff only, by token (`Authorization: Token …`) or login."""
    body, content_type = scrape()
    return HttpResponse(body + km_metrics.exposition(), content_type=content_type)


@staff_member_required
@require_GET
def http_metrics(request: HttpRequest) -> HttpResponse:
    """django-prometheus's metrics of this web process."""
    from django_prometheus.exports import ExportToDjangoView

    response: HttpResponse = ExportToDjangoView(request)
    return response
