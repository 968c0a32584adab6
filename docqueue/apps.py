"""The Django app: handlers are found, checks and the log receiver are registered. No database access here."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class DocqueueConfig(AppConfig):
    name = "docqueue"
    verbose_name = _("Document queue")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from docqueue import checks  # noqa: F401 - registers the checks; needs the apps loaded
        from docqueue.receivers import logging as log_receiver
        from docqueue.receivers import metrics

        log_receiver.install()
        metrics.install()  # does nothing without the extra
        autodiscover_modules("queue_handlers")
