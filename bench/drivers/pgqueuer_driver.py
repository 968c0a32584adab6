"""PgQueuer: asyncpg, uvloop, batches of 250; bulk by `enqueue` with lists."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import json
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import driving
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries

BATCH = 250


def encoded(n: int) -> bytes:
    return json.dumps(driving.payload(n)).encode()


def with_queries(act: Callable[[Queries], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        connection = await asyncpg.connect(driving.DSN)
        try:
            return await act(Queries(AsyncpgDriver(connection)))
        finally:
            await connection.close()

    return uvloop.run(run())


def setup() -> None:
    with_queries(lambda queries: queries.install())


def enqueue_one(count: int, pause: float = 0.0) -> dict[str, Any]:
    return with_queries(lambda q: driving.aenqueue_one(lambda n: q.enqueue("noop", encoded(n)), count, pause))


def bulk(count: int) -> dict[str, Any]:
    def act(queries: Queries) -> Awaitable[Any]:
        async def send(numbers: range) -> None:
            size = len(numbers)
            await queries.enqueue(["noop"] * size, [encoded(n) for n in numbers], [0] * size)

        return driving.abulk(send, count)

    return with_queries(act)


async def worker() -> None:
    connection = await asyncpg.connect(driving.DSN)
    queue = PgQueuer.from_asyncpg_connection(connection)

    @queue.entrypoint("noop")
    async def noop(job: Any) -> None:
        driving.hit(json.loads(job.payload)["n"])

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, queue.shutdown.set)
    with contextlib.suppress(asyncio.CancelledError):
        await queue.run(batch_size=BATCH)


def work() -> None:
    driving.ready()
    uvloop.run(worker())


if __name__ == "__main__":
    driving.main(
        {
            "version": lambda: {"version": importlib.metadata.version("pgqueuer")},
            "setup": setup,
            "enqueue-one": enqueue_one,
            "enqueue-bulk": bulk,
            "fill": bulk,
            "work": work,
        }
    )
