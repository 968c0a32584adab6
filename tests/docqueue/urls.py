"""Addresses for the tests of docqueue's own pages, without the project around them."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from docqueue import health
from docqueue.api import problems


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("secret detail")


urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", include("docqueue.api.urls")),
    path("api/broken", broken),
    path("broken", broken),
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("healthz", health.healthz),
]
handler400 = problems.handler400
handler403 = problems.handler403
handler404 = problems.handler404
handler500 = problems.handler500
