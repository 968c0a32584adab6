"""The Django app. Its handlers are found by docqueue through `queue_handlers.py`; at start added formats are loaded."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class IngestionConfig(AppConfig):
    name = "ingestion"
    verbose_name = _("Document ingestion")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from docqueue import codes, roles
        from ingestion import acting, checks, errors, formats  # noqa: F401 - registers the checks; models are there now
        from ingestion.diagnostics import recording
        from ingestion.km import calls

        codes.register("ingestion", errors.error_classes)
        roles.register("ingestion", read=acting.SEEN, act=acting.PERMISSIONS.values())
        formats.install()
        calls.subscribe(recording.write)
