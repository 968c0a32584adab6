"""Procrastinate: asynchronous worker with a concurrency of 50 and LISTEN; bulk by `batch_defer`."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import driving
import procrastinate

CONCURRENCY = 50
POOL = 12

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=driving.DSN, max_size=POOL))


@app.task(name="noop")
async def noop(text: str, n: int) -> None:  # noqa: ARG001 - the payload's names
    driving.hit(n)


def setup() -> None:
    with app.open():
        app.schema_manager.apply_schema()


def enqueue_one(count: int, pause: float = 0.0) -> dict[str, Any]:
    with app.open():
        return driving.enqueue_one(lambda n: noop.defer(**driving.payload(n)), count, pause)


def bulk(count: int) -> dict[str, Any]:
    with app.open():
        return driving.bulk(lambda numbers: noop.batch_defer(*map(driving.payload, numbers)), count)


def work() -> None:
    driving.ready()
    app.run_worker(concurrency=CONCURRENCY, listen_notify=True)


if __name__ == "__main__":
    driving.main(
        {
            "version": lambda: {"version": importlib.metadata.version("procrastinate")},
            "setup": setup,
            "enqueue-one": enqueue_one,
            "enqueue-bulk": bulk,
            "fill": bulk,
            "work": work,
        }
    )
