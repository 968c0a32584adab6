"""Addresses under /api/v1/."""

from __future__ import annotations

from django.urls import path

from ingestion.api import searching, uploading, views

app_name = "ingestion"
urlpatterns = [
    path("documents", uploading.DocumentsView.as_view(), name="documents"),
    path("documents/<int:pk>", views.DocumentView.as_view(), name="document"),
    path("documents/<int:pk>/reprocess", views.ReprocessDocumentView.as_view(), name="document-reprocess"),
    path("documents/<int:pk>/cancel", views.CancelDocumentView.as_view(), name="document-cancel"),
    path("intakes", views.IntakesView.as_view(), name="intakes"),
    path("intakes/<int:pk>", views.IntakeView.as_view(), name="intake"),
    path("intakes/<int:pk>/files", views.IntakeFilesView.as_view(), name="intake-files"),
    path("intakes/<int:pk>/cancel", views.CancelIntakeView.as_view(), name="intake-cancel"),
    path("search", searching.SearchView.as_view(), name="search"),
    path("limits", views.LimitsView.as_view(), name="limits"),
]
