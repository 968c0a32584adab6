"""Oban for Python (open source): uvloop, a queue limit of 100 (its fastest here); bulk by `enqueue_many`."""

from __future__ import annotations

import asyncio
import importlib.metadata
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import driving
import uvloop
from oban import Oban, worker
from oban.schema import install

LIMIT = 100
POOL = 10
CHUNK = 1_000


@worker(queue="default")
class Noop:
    async def process(self, job: Any) -> None:
        driving.hit(job.args["n"])


def with_client(act: Callable[[Oban], Awaitable[Any]], **options: Any) -> Any:
    async def run() -> Any:
        pool = await Oban.create_pool(driving.DSN, max_size=POOL)
        try:
            async with Oban(pool=pool, **options) as oban:
                return await act(oban)
        finally:
            await pool.close()

    return uvloop.run(run())


def setup() -> None:
    async def run() -> None:
        pool = await Oban.create_pool(driving.DSN)
        await install(pool)
        await pool.close()

    uvloop.run(run())


def enqueue_one(count: int, pause: float = 0.0) -> dict[str, Any]:
    return with_client(
        lambda oban: driving.aenqueue_one(lambda n: oban.enqueue(Noop.new(driving.payload(n))), count, pause)
    )


def bulk(count: int) -> dict[str, Any]:
    def act(oban: Oban) -> Awaitable[Any]:
        return driving.abulk(
            lambda numbers: oban.enqueue_many([Noop.new(driving.payload(n)) for n in numbers]), count, CHUNK
        )

    return with_client(act)


def work() -> None:
    async def until_told(_: Oban) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()

    driving.ready()
    with_client(until_told, queues={"default": LIMIT})


if __name__ == "__main__":
    driving.main(
        {
            "version": lambda: {"version": importlib.metadata.version("oban")},
            "setup": setup,
            "enqueue-one": enqueue_one,
            "enqueue-bulk": bulk,
            "fill": bulk,
            "work": work,
        }
    )
