-- A new worker row with a fresh lease.
insert into docqueue_worker (
    name, kind, hostname, pid, queues, excluded, processes, started_at, heartbeat_at, lease_expires_at, info)
select %(name)s, %(kind)s, %(hostname)s, %(pid)s, %(queues)s, %(excluded)s, %(processes)s, now, now,
    now + make_interval(secs => %(lease_seconds)s), %(info)s::jsonb
from (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now) clock
returning id
