"""docqueue: its public API and its own worker command, with the settings that it comes with."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import driving

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
SLOW_SECONDS = 2.0


def django_up() -> None:
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
    django.setup()


def setup() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def enqueue_one(count: int, pause: float = 0.0) -> dict[str, Any]:
    from docqueue.service import DocumentQueueService

    service = DocumentQueueService()
    return driving.enqueue_one(lambda n: service.enqueue(None, "bench.noop", payload=driving.payload(n)), count, pause)


def sender(kind: str) -> Callable[[range], Any]:
    """The bulk call for items that are `plain`, `keyed` (a document each), `completing`, `slow`, `hot` or `slots`."""
    from docqueue.service import DocumentQueueService, NewItem, Rules

    service = DocumentQueueService()
    three = Rules(concurrency_key="slots", concurrency_limit=3)
    make = {
        "plain": lambda n: NewItem(operation="bench.noop", payload=driving.payload(n)),
        "keyed": lambda n: NewItem(document_id=n, operation="bench.noop", payload=driving.payload(n)),
        "hot": lambda n: NewItem(document_id="hot", operation="bench.noop", payload=driving.payload(n)),
        "slots": lambda n: NewItem(operation="bench.noop", payload=driving.payload(n), rules=three),
        "completing": lambda n: NewItem(operation="bench.complete", payload=driving.payload(n)),
        "slow": lambda n: NewItem(operation="bench.sleep", payload={"n": n, "seconds": SLOW_SECONDS}),
    }[kind]
    return lambda numbers: service.enqueue_many([make(n) for n in numbers])


def bulk(count: int, kind: str = "plain") -> dict[str, Any]:
    return driving.bulk(sender(kind), count, 100_000)


def feed(count: int) -> dict[str, Any]:
    return driving.feed(sender("plain"), count)


def work(*arguments: Any) -> None:
    from django.core.management import call_command

    import docqueue.worker.supervisor  # noqa: F401 - imported before the clock starts

    driving.ready()
    call_command("run_queue_worker", *map(str, arguments))


def age(finished: int, waiting: int, dead: int) -> None:
    import docqueue_aging

    docqueue_aging.fill(finished, waiting, dead)


def retain() -> dict[str, Any]:
    import docqueue_aging

    return docqueue_aging.retain()


def soak(minutes: float, rate: int) -> dict[str, Any]:
    import docqueue_soak

    return docqueue_soak.feed(minutes, rate)


def version() -> dict[str, str]:
    from importlib.metadata import version as of

    return {"version": f"this checkout, Django {of('django')}, psycopg {of('psycopg')}"}


if __name__ == "__main__":  # the executors' processes import this module too
    django_up()
    driving.main(
        {
            "version": version,
            "setup": setup,
            "enqueue-one": enqueue_one,
            "enqueue-bulk": bulk,
            "fill": bulk,
            "feed": feed,
            "work": work,
            "age": age,
            "retain": retain,
            "soak": soak,
        }
    )
