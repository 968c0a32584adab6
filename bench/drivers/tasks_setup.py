"""Django, set up for a backend of its task framework as in a small project: settings, schema, timed enqueues."""

from __future__ import annotations

import importlib.metadata
import os
from typing import Any

import driving


def configure(app: str, backend: dict[str, Any], **more: Any) -> None:
    """Set up Django with this app and task backend on the benchmark's database."""
    import django
    from django.conf import settings

    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["PGDATABASE"],
        "USER": os.environ["PGUSER"],
        "HOST": os.environ["PGHOST"],
        "PORT": os.environ["PGPORT"],
        "CONN_MAX_AGE": None,
    }
    settings.configure(
        DEBUG=False,
        SECRET_KEY="benchmark",
        INSTALLED_APPS=["django.contrib.contenttypes", app],
        DATABASES={"default": database},
        TASKS={"default": backend},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        **more,
    )
    django.setup()


def migrate() -> None:
    """The peer's own migrations."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def command(*arguments: str) -> None:
    """Run a management command, the peer's worker, when all are ready."""
    import tasks_handlers  # noqa: F401 - imported before the clock starts
    from django.core.management import call_command

    driving.ready()
    call_command(*arguments)


def enqueue_one(count: int, pause: float = 0.0) -> dict[str, Any]:
    """One by one, each in a transaction of its own."""
    from tasks_handlers import noop

    return driving.enqueue_one(lambda n: noop.enqueue(driving.payload(n)), count, pause)


def enqueue_in_one_transaction(count: int) -> dict[str, Any]:
    """For peers without a bulk call: one by one, committed together."""
    from django.db import transaction
    from tasks_handlers import noop

    def send(numbers: range) -> None:
        with transaction.atomic():
            for n in numbers:
                noop.enqueue(driving.payload(n))

    return driving.bulk(send, count) | {"bulk_api": False}


def version(package: str) -> dict[str, str]:
    """The peer's and Django's."""
    return {"version": f"{importlib.metadata.version(package)}, Django {importlib.metadata.version('django')}"}
