"""Addresses under /api/v1/."""

from __future__ import annotations

from django.urls import path

from ingestion.resumable import views

app_name = "ingestion-resumable"
urlpatterns = [
    path("uploads", views.UploadsView.as_view(), name="uploads"),
    path("uploads/<uuid:pk>", views.UploadView.as_view(), name="upload"),
]
