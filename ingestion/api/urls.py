"""Addresses under /api/v1/."""

from __future__ import annotations

from django.urls import path

from ingestion.api import content, diagnostics, events, reprocessing, searching, tagging, types, uploading, views

app_name = "ingestion"
urlpatterns = [
    path("documents", uploading.DocumentsView.as_view(), name="documents"),
    path("documents/<int:pk>", views.DocumentView.as_view(), name="document"),
    path("documents/<int:pk>/content", content.DocumentContentView.as_view(), name="document-content"),
    path("documents/<int:pk>/events", events.DocumentEventsView.as_view(), name="document-events"),
    path("documents/<int:pk>/reprocess", reprocessing.ReprocessDocumentView.as_view(), name="document-reprocess"),
    path("documents/<int:pk>/cancel", views.CancelDocumentView.as_view(), name="document-cancel"),
    path("documents/<int:pk>/tags", tagging.DocumentTagsView.as_view(), name="document-tags"),
    path("files/<int:pk>/content", content.FileContentView.as_view(), name="file-content"),
    path("files/<int:pk>/tags", tagging.FileTagsView.as_view(), name="file-tags"),
    path("intakes", views.IntakesView.as_view(), name="intakes"),
    path("intakes/<int:pk>", views.IntakeView.as_view(), name="intake"),
    path("intakes/<int:pk>/events", events.IntakeEventsView.as_view(), name="intake-events"),
    path("intakes/<int:pk>/diagnostics", diagnostics.IntakeDiagnosticsView.as_view(), name="intake-diagnostics"),
    path("intakes/<int:pk>/files", views.IntakeFilesView.as_view(), name="intake-files"),
    path("intakes/<int:pk>/cancel", views.CancelIntakeView.as_view(), name="intake-cancel"),
    path("intakes/<int:pk>/tags", tagging.IntakeTagsView.as_view(), name="intake-tags"),
    path("intakes/<int:pk>/reprocess", reprocessing.ReprocessIntakeView.as_view(), name="intake-reprocess"),
    path("intakes/<int:pk>/retry", reprocessing.RetryIntakeView.as_view(), name="intake-retry"),
    path("files/<int:pk>/reprocess", reprocessing.ReprocessFileView.as_view(), name="file-reprocess"),
    path("files/<int:pk>/retry", reprocessing.RetryFileView.as_view(), name="file-retry"),
    path("reprocess", reprocessing.ReprocessView.as_view(), name="reprocess"),
    path("reprocess/<int:pk>", reprocessing.ReprocessProgressView.as_view(), name="reprocessing"),
    path("km/diagnostics", diagnostics.DiagnosticsView.as_view(), name="km-diagnostics"),
    path("search", searching.SearchView.as_view(), name="search"),
    path("limits", views.LimitsView.as_view(), name="limits"),
    path("types", types.TypesView.as_view(), name="types"),
]
