"""The no-op task of the peers that are backends of Django's task framework."""

from __future__ import annotations

import driving
from django.tasks import task


@task()
def noop(item: dict) -> None:
    """Count."""
    driving.hit(item["n"])
