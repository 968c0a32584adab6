"""A database router for projects that keep the queue in a database of its own."""

from __future__ import annotations

from typing import Any

from docqueue.conf import before_checks


class DocqueueRouter:
    """Sends docqueue's tables to DOCQUEUE["DATABASE"] and keeps other apps' tables out of it by saying nothing."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        """The alias of our models."""
        return before_checks().DATABASE if model._meta.app_label == "docqueue" else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        """Our tables only in our alias."""
        return db == before_checks().DATABASE if app_label == "docqueue" else None
