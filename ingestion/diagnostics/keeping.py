"""How long calls are kept one by one. What is removed is summed up in the same statement, so no sum ever falls."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from django.db import connections, router
from django.utils import timezone

from ingestion.limits import get_limits
from ingestion.models import KmCall

BOUNDS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the buckets of durations, in seconds. Sums by other bounds can not be read: they do not change."""
PHASES = ("queue_wait", "connect", "send", "first_byte", "total")
SLICE = 1000
SECONDS = 2.0
"""How long one round of the duty removes rows."""

SPREAD = """
    select c.method, c.code, p.phase, width_bucket(p.seconds, %(bounds)s::float8[])::smallint as bucket, p.seconds,
        case when p.phase = 'total' then c.bytes_sent else 0 end as bytes_sent
    from {calls} c cross join lateral (values ('queue_wait', c.queue_wait_seconds), ('connect', c.connect_seconds),
        ('send', c.send_seconds), ('first_byte', c.first_byte_seconds), ('total', c.total_seconds)
    ) as p (phase, seconds)
    where p.seconds is not null
"""
"""Calls, each as one row for each phase that it came to."""
PRUNE = f"""
with old as (
    select id from ingestion_kmcall where started_at < %(before)s order by started_at limit %(slice)s
    for update skip locked
), many as (
    select id from ingestion_kmcall where id <= %(last)s order by id limit %(slice)s for update skip locked
), gone as (
    delete from ingestion_kmcall where id in (select id from old union select id from many) returning *
), summed as (
    insert into ingestion_kmtotal as t (method, code, phase, bucket, calls, seconds, bytes_sent)
    select method, code, phase, bucket, count(*), sum(seconds), sum(bytes_sent)
    from ({SPREAD.format(calls="gone")}) as spread group by 1, 2, 3, 4 order by 1, 2, 3, 4
    on conflict (method, code, phase, bucket) do update set calls = t.calls + excluded.calls,
        seconds = t.seconds + excluded.seconds, bytes_sent = t.bytes_sent + excluded.bytes_sent
)
select count(*) from gone
"""  # noqa: S608 - put together from what stands above
LAST = "select id from ingestion_kmcall order by id desc offset %s limit 1"


def prune(now: datetime | None = None) -> int:
    """Remove what is older or more than is kept, in slices of one statement each. Returns how many rows.

    Stops after a while: the duty comes back for the others.
    """
    limits = get_limits()
    params: dict[str, Any] = {
        "before": (now or timezone.now()) - timedelta(days=limits.km_call_days),
        "bounds": list(BOUNDS),
        "slice": SLICE,
    }
    until, removed = time.monotonic() + SECONDS, 0
    with connections[router.db_for_write(KmCall)].cursor() as cursor:
        cursor.execute(LAST, [limits.km_call_rows])
        params["last"] = (cursor.fetchone() or (0,))[0]
        while True:
            cursor.execute(PRUNE, params)
            gone = int(cursor.fetchone()[0])
            removed += gone
            if gone < SLICE or time.monotonic() > until:
                return removed
