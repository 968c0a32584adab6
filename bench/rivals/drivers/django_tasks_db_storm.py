"""django-tasks-db in a storm: its own worker command, which knows neither leases nor heartbeats."""

from __future__ import annotations

import os
import sys

import driving
import tasks_setup

from bench.rivals import witness

IDLE_SECONDS = "0.1"


def enqueue(count: int, seed: int, poisons: int) -> None:
    """There is no bulk call: one by one, a chunk a transaction."""
    from django.db import transaction
    from storm_tasks import document

    for chunk in witness.chunks(count, seed, poisons):
        with transaction.atomic():
            for payload in chunk:
                document.enqueue(**payload)


def work() -> None:
    from django.core.management import call_command

    call_command("db_worker", "--interval", IDLE_SECONDS, "--no-startup-delay")


if __name__ == "__main__":
    os.environ["PGAPPNAME"] = str(os.getpid())  # by this the trigger knows who has ended a task
    if sys.argv[1] != "version":
        tasks_setup.configure("django_tasks_db", {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default"]})
    driving.main(
        {
            "version": lambda: tasks_setup.version("django-tasks-db"),
            "setup": tasks_setup.migrate,
            "enqueue": enqueue,
            "work": work,
        }
    )
