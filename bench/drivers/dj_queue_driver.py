"""dj_queue: its own command, one worker process of 8 threads (its fastest here), LISTEN on; bulk by `enqueue_all`."""

from __future__ import annotations

import sys
from typing import Any

import driving
import tasks_setup

BACKEND = {
    "BACKEND": "dj_queue.backend.DjQueueBackend",
    "QUEUES": [],
    "OPTIONS": {"workers": [{"queues": "*", "threads": 8, "processes": 1, "polling_interval": 0.1}]},
}


def bulk(count: int) -> dict[str, Any]:
    from tasks_handlers import noop

    backend = noop.get_backend()
    return driving.bulk(lambda numbers: backend.enqueue_all([(noop, [driving.payload(n)], {}) for n in numbers]), count)


def work() -> None:
    tasks_setup.command("dj_queue")


if __name__ == "__main__":
    if sys.argv[1] != "version":
        tasks_setup.configure("dj_queue", BACKEND, DATABASE_ROUTERS=["dj_queue.routers.DjQueueRouter"])
    driving.main(
        {
            "version": lambda: tasks_setup.version("dj-queue"),
            "setup": tasks_setup.migrate,
            "enqueue-one": tasks_setup.enqueue_one,
            "enqueue-bulk": bulk,
            "fill": bulk,
            "work": work,
        }
    )
