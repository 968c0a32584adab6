"""django-ox: its own worker command. It polls, so an idle worker gets a short interval; bulk by its `enqueue_many`."""

from __future__ import annotations

import sys
from typing import Any

import driving
import tasks_setup

THREADS = "8"
IDLE_SECONDS = "0.05"


def bulk(count: int) -> dict[str, Any]:
    from django_ox.bulk import enqueue_many
    from tasks_handlers import noop

    return driving.bulk(lambda numbers: enqueue_many(noop, [((driving.payload(n),), {}) for n in numbers]), count)


def work() -> None:
    tasks_setup.command("ox_worker", "--concurrency", THREADS, "--interval", IDLE_SECONDS)


if __name__ == "__main__":
    if sys.argv[1] != "version":
        tasks_setup.configure("django_ox", {"BACKEND": "django_ox.backend.OxBackend", "QUEUES": []})
    driving.main(
        {
            "version": lambda: tasks_setup.version("django-ox"),
            "setup": tasks_setup.migrate,
            "enqueue-one": tasks_setup.enqueue_one,
            "enqueue-bulk": bulk,
            "fill": bulk,
            "work": work,
        }
    )
