"""Promote what has just become due: often, and at a cost that does not grow however long somebody holds a snapshot."""

from __future__ import annotations

from docqueue.admission.due import promote_just_due as run

EVERY_SECONDS = 1.0

__all__ = ["EVERY_SECONDS", "run"]
