"""The Django app. docqueue finds its handlers in `queue_handlers.py`; at start only system checks are registered."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class IngestionConfig(AppConfig):
    name = "ingestion"
    verbose_name = _("Document ingestion")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from ingestion import checks  # noqa: F401 - registers the checks; needs the apps loaded
