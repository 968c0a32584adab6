-- Live depths per queue.
select queue,
    count(*) filter (where status = 'pending') as pending,
    count(*) filter (where status = 'in_progress') as in_progress,
    count(*) filter (where status = 'dead') as failed,
    count(*) filter (where status = 'waiting' and wait_reason is distinct from 'retry') as waiting,
    count(*) filter (where status = 'waiting' and wait_reason = 'retry') as retrying,
    extract(epoch from coalesce(%(now)s::timestamptz, clock_timestamp())
        - min(greatest(enqueued_at, run_after)) filter (where status = 'pending'))::float8 as oldest_due_seconds
from docqueue_item group by queue
