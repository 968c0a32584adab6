"""The Django app. Its duty is found by docqueue through `queue_handlers.py`."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ResumableConfig(AppConfig):
    name = "ingestion.resumable"
    label = "ingestion_resumable"
    verbose_name = _("Resumable uploads")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from docqueue import roles

        roles.register(
            self.label, read=[f"{self.label}.view_uploadsession"], act=[f"{self.label}.change_uploadsession"]
        )
