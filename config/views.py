"""The few pages that belong to neither app."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerSplitView
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response

from config import csp, login_links
from docqueue.receivers.metrics import scrape
from ingestion.diagnostics import metrics as km_metrics


@require_GET
@never_cache
def one_time_login(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """Log in by a link that was printed at the terminal; it works once."""
    user = login_links.user_for(uid, token)
    if user is None:
        return render(request, "login_link_used.html", status=410)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return redirect(settings.LOGIN_REDIRECT_URL)


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


class SwaggerPage(SpectacularSwaggerSplitView):
    """The API, to try out. Its script is a file of its own, so that none stands in the page."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The page, or with `?script` its script."""
        response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        response.headers[csp.HEADER] = csp.policy(csp.SWAGGER)
        return response


class RedocPage(SpectacularRedocView):
    """The API, to read."""

    template_name = "redoc.html"

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The page."""
        response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        response.headers[csp.HEADER] = csp.policy(csp.REDOC)
        return response
