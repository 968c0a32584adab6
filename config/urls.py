"""Addresses of the site."""

from __future__ import annotations

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView

from config import views
from docqueue import health

admin.site.site_header = admin.site.site_title = "docqueue"


urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("ingestion.web.urls")),
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", views.metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("login/<str:uid>/<str:token>/", views.one_time_login, name="one-time-login"),
    path("api/v1/", include("docqueue.api.urls")),
    path("api/v1/", include("ingestion.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", views.SwaggerPage.as_view(url_name="schema"), name="api-docs"),
    path("api/reference/", views.RedocPage.as_view(url_name="schema"), name="api-reference"),
]
if apps.is_installed("ingestion.resumable"):
    urlpatterns.append(path("api/v1/", include("ingestion.resumable.urls")))
if settings.HTTP_METRICS:
    urlpatterns.append(path("metrics/http", views.http_metrics, name="http-metrics"))

# under /api/ every refusal is problem JSON, also those that no view made
handler400 = "docqueue.api.problems.handler400"
handler403 = "docqueue.api.problems.handler403"
handler404 = "docqueue.api.problems.handler404"
handler500 = "docqueue.api.problems.handler500"
