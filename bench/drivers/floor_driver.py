"""The floor: what plain psycopg and PostgreSQL allow with full durability and history kept. No peer, a reference.

One table of live items, one of history; completing a batch and claiming the next are one statement; a scan hint spares
the claim the dead entries at the front of the index, and is given up for a rescan for at most 5 % of the time; LISTEN
wakes an idle worker. It has neither retries nor leases nor hooks.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

import driving
import psycopg

BATCH = 250
RESCAN_SECONDS, RESCAN_SHARE = 1.0, 20  # a rescan a second, or 20 times its duration later
IDLE_SECONDS = 1.0
SCHEMA = """
create table job (
    id bigint generated always as identity primary key, queue smallint not null, state smallint not null default 0,
    attempt smallint not null default 0, worker int, claimed_at timestamptz, payload jsonb not null
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create index job_ready on job (queue, id) where state = 0;
create index job_running on job (worker) where state = 1;
create table job_history (
    id bigint not null, queue smallint not null, attempt smallint not null, claimed_at timestamptz,
    payload jsonb not null, finished_at timestamptz not null
);
create index job_history_id on job_history (id);
create index job_history_finished on job_history using brin (finished_at);
analyze job;
"""
ENQUEUE = (
    "with i as (insert into job (queue, payload) values (1, %s) returning id) select id, pg_notify('job', '') from i"
)
STEP = """
with done as (
    delete from job where id = any(%(done)s) and worker = %(worker)s and state = 1
    returning id, queue, attempt, claimed_at, payload
), kept as (
    insert into job_history select id, queue, attempt, claimed_at, payload, now() from done
)
update job set state = 1, attempt = attempt + 1, worker = %(worker)s, claimed_at = now()
where id = any(array(
    select id from job where queue = 1 and state = 0 and id > %(hint)s
    order by queue, id limit %(limit)s for update skip locked))
returning id, payload
"""


def connect() -> psycopg.Connection[Any]:
    return psycopg.connect(driving.DSN, autocommit=True, prepare_threshold=0)


def setup() -> None:
    psycopg.connect(driving.DSN, autocommit=True).execute(SCHEMA)


def copy(numbers: range) -> None:
    with _connection.transaction(), _connection.cursor() as cursor:
        with cursor.copy("copy job (queue, payload) from stdin") as rows:
            for n in numbers:
                rows.write_row((1, json.dumps(driving.payload(n))))
        cursor.execute("notify job")


def work() -> None:
    """Claim, run, complete, until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ears = connect()
    ears.execute("listen job")
    driving.ready()
    worker, done, hint, next_rescan = os.getpid(), [], 0, 0.0
    while True:
        started = time.monotonic()
        rescan = started >= next_rescan
        given = {"done": done, "worker": worker, "hint": 0 if rescan else hint, "limit": BATCH}
        try:
            rows = _connection.execute(STEP, given).fetchall()
        except psycopg.errors.DeadlockDetected:  # seen once in 40 million items: nothing of it was done, so once more
            continue
        if rescan:
            now = time.monotonic()
            next_rescan = now + max(RESCAN_SECONDS, RESCAN_SHARE * (now - started))
        for _, payload in rows:
            driving.hit(payload["n"])
        done = [row[0] for row in rows]
        if done:
            hint = max(hint, *done) if len(done) > 1 else max(hint, done[0])
        elif not rescan:
            next_rescan = 0.0  # nothing behind the hint: look at the front before going to sleep
        else:
            for _ in ears.notifies(timeout=IDLE_SECONDS, stop_after=1):
                next_rescan = 0.0


def enqueue_one(count: int, pause: float = 0.0) -> dict[str, Any]:
    def send(n: int) -> None:
        _connection.execute(ENQUEUE, (json.dumps(driving.payload(n)),))

    return driving.enqueue_one(send, count, pause)


def version() -> dict[str, str]:
    return {"version": f"psycopg {psycopg.__version__}"}


if __name__ == "__main__":
    _connection = connect() if len(sys.argv) > 1 and sys.argv[1] != "version" else None
    driving.main(
        {
            "version": version,
            "setup": setup,
            "enqueue-one": enqueue_one,
            "enqueue-bulk": lambda count: driving.bulk(copy, count, count),
            "fill": lambda count: driving.bulk(copy, count, count),
            "feed": lambda count: driving.feed(copy, count),
            "work": work,
        }
    )
