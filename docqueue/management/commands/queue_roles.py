"""manage.py queue_roles: two groups of users, for who looks and for who acts."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from docqueue import roles
from docqueue.roles import OPERATORS, READERS


class Command(BaseCommand):
    """Make the groups, or put back what is missing of their permissions; what else they have they keep."""

    help = (
        f"Make the groups {READERS!r} (they see all but payloads, results and tracebacks) and {OPERATORS!r} (they "
        "may do all that the admin and the API offer), with what the apps that use the queue add to them. Run it again "
        "after an upgrade: it adds what is new. Users that are to see the admin need `is_staff` besides."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        found = roles.known()
        wanted = frozenset[str]().union(*(role.permissions for role in found))
        apps = {one.partition(".")[0] for one in wanted}
        rows = Permission.objects.filter(content_type__app_label__in=apps).select_related("content_type")
        known = {f"{one.content_type.app_label}.{one.codename}": one for one in rows}
        if missing := sorted(wanted - known.keys()):
            raise CommandError(f"There is no permission {missing[0]}: run manage.py migrate first.")
        with transaction.atomic():
            for role in found:
                group, created = Group.objects.get_or_create(name=role.name)
                has = set(group.permissions.values_list("pk", flat=True))
                new = [known[one] for one in sorted(role.permissions) if known[one].pk not in has]
                group.permissions.add(*new)
                what = "made" if created else "there already"
                count = len(role.permissions)
                self.stdout.write(f"{role.name}: {what}, {len(new)} permissions added, {count} in all")
