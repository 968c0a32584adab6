"""Procrastinate in a storm: one job at a time in each worker, and the rescue of stalled jobs that its manual shows.

RIVALS_STALE_SECONDS is the age of a heartbeat after which a worker counts as stalled; without it the worker is as it
comes: ten seconds between heartbeats, and no rescue. The manual's rescue is deferred every ten minutes; here it is each
second, and goes before the backlog, else it would wait behind all of it.
"""

from __future__ import annotations

import asyncio
import os
from functools import cache
from importlib.metadata import version as of
from typing import Any

import driving
import procrastinate
import psycopg_pool

from bench.rivals import witness

STALE_SECONDS = float(os.environ.get("RIVALS_STALE_SECONDS", "0"))
HEARTBEATS = 3  # within that time
RESCUE_FIRST = 100

os.environ["PGAPPNAME"] = str(os.getpid())  # by this the trigger knows who has ended a job
app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=driving.DSN, min_size=1, max_size=4))


@cache
def effects() -> psycopg_pool.AsyncConnectionPool:
    """The handlers' own connection to the database, as an application has one."""
    return psycopg_pool.AsyncConnectionPool(driving.DSN, min_size=1, max_size=1, open=False)


@app.task(name="document")
async def document(n: int, seconds: float, after: float, poison: bool) -> None:
    """Take a while, act outside, write to the database."""
    with witness.run(n, os.getpid(), poison=poison) as run:
        await asyncio.sleep(seconds)
        run.outside()
        await effects().open()
        async with effects().connection() as connection:
            await connection.execute(witness.EFFECT, (run.n, run.token))
        run.written()
        await asyncio.sleep(after)
        run.end()


async def rescue(context: procrastinate.JobContext, timestamp: int) -> None:  # noqa: ARG001 - given to periodic tasks
    """Let the jobs of stalled workers run again."""
    jobs = context.app.job_manager
    for job in await jobs.get_stalled_jobs(seconds_since_heartbeat=STALE_SECONDS):
        await jobs.retry_job(job)


def setup() -> None:
    with app.open():
        app.schema_manager.apply_schema()


def enqueue(count: int, seed: int, poisons: int) -> None:
    with app.open():
        for chunk in witness.chunks(count, seed, poisons):
            document.batch_defer(*chunk)


def work() -> None:
    more: dict[str, Any] = {}
    if STALE_SECONDS:
        task = app.task(name="rescue", queueing_lock="rescue", pass_context=True, priority=RESCUE_FIRST)(rescue)
        app.periodic(cron="* * * * * *")(task)
        more = {"update_heartbeat_interval": STALE_SECONDS / HEARTBEATS, "stalled_worker_timeout": STALE_SECONDS}
    app.run_worker(concurrency=1, **more)


if __name__ == "__main__":
    version = {"version": of("procrastinate")}
    driving.main({"version": lambda: version, "setup": setup, "enqueue": enqueue, "work": work})
