"""Addresses of the upload page; include them wherever it is to be."""

from __future__ import annotations

from django.urls import path

from ingestion.web import acting, news, views

app_name = "uploads"
urlpatterns = [
    path("", views.home, name="home"),
    path("uploads/news", news.news, name="news"),
    path("uploads/<int:pk>/", views.intake, name="intake"),
    path("uploads/<int:pk>/cancel/", acting.cancel, name="cancel"),
    path("uploads/<int:pk>/retry/", acting.retry, name="retry"),
    path("uploads/<int:pk>/delete/", acting.delete, name="delete"),
    path("uploads/files/<int:pk>/retry/", acting.retry_file, name="retry-file"),
    path("documents/<int:pk>/", views.document, name="document"),
]
