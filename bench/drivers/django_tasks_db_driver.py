"""django-tasks-db: its own worker command. It polls, so an idle worker gets a short interval; there is no bulk call."""

from __future__ import annotations

import sys

import driving
import tasks_setup

IDLE_SECONDS = "0.1"


def work() -> None:
    tasks_setup.command("db_worker", "--interval", IDLE_SECONDS, "--no-startup-delay")


if __name__ == "__main__":
    if sys.argv[1] != "version":
        tasks_setup.configure("django_tasks_db", {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default"]})
    driving.main(
        {
            "version": lambda: tasks_setup.version("django-tasks-db"),
            "setup": tasks_setup.migrate,
            "enqueue-one": tasks_setup.enqueue_one,
            "enqueue-bulk": tasks_setup.enqueue_in_one_transaction,
            "fill": tasks_setup.enqueue_in_one_transaction,
            "work": work,
        }
    )
