"""manage.py queue_roles: two groups of users, for who looks and for who acts."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from docqueue.acting import PERMISSIONS

READERS, OPERATORS = "Queue readers", "Queue operators"
VIEWS = ("queueitem", "historyitem", "worker", "queue", "limit", "batch", "schedule", "bulkoperation", "failuregroup")
READ = frozenset(f"docqueue.view_{name}" for name in VIEWS)
"""What readers may: see where everything is. No payloads, results or tracebacks, and not what other people did."""
ACT = (
    READ
    | set(PERMISSIONS.values())
    | {f"docqueue.{name}" for name in ("view_payload", "view_attempt", "view_auditentry", "process_queue")}
)
ROLES = {READERS: READ, OPERATORS: ACT}


class Command(BaseCommand):
    """Make the groups, or put back what is missing of their permissions; what else they have they keep."""

    help = (
        f"Make the groups {READERS!r} (they see all but payloads, results and tracebacks) and {OPERATORS!r} (they "
        "may do all that the admin and the API offer). Run it again after an upgrade: it adds what is new. Users that "
        "are to see the admin need `is_staff` besides."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        known = {
            f"docqueue.{one.codename}": one for one in Permission.objects.filter(content_type__app_label="docqueue")
        }
        if missing := sorted(ACT - known.keys()):
            raise CommandError(f"There is no permission {missing[0]}: run manage.py migrate first.")
        with transaction.atomic():
            for name, wanted in ROLES.items():
                group, created = Group.objects.get_or_create(name=name)
                has = set(
                    group.permissions.filter(content_type__app_label="docqueue").values_list("codename", flat=True)
                )
                new = sorted(wanted - {f"docqueue.{codename}" for codename in has})
                group.permissions.add(*(known[one] for one in new))
                what = "made" if created else "there already"
                self.stdout.write(f"{name}: {what}, {len(new)} permissions added, {len(wanted)} in all")
