"""docqueue in a storm: its public API and its own worker command, one handler at a time in each worker."""

from __future__ import annotations

import os
from importlib.metadata import version as of

import driving

from bench.rivals import witness


def setup() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def enqueue(count: int, seed: int, poisons: int) -> None:
    from docqueue.service import DocumentQueueService, NewItem

    service = DocumentQueueService()
    for chunk in witness.chunks(count, seed, poisons):
        service.enqueue_many([NewItem(operation="rivals.document", payload=payload) for payload in chunk])


def work() -> None:
    from django.core.management import call_command

    call_command("run_queue_worker", "--processes", "1")


if __name__ == "__main__":  # the executors' processes import this module too
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.rivals.settings"
    django.setup()
    driving.main(
        {
            "version": lambda: {"version": f"this checkout, Django {of('django')}, psycopg {of('psycopg')}"},
            "setup": setup,
            "enqueue": enqueue,
            "work": work,
        }
    )
