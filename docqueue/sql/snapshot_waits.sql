-- How long the newest `limit` items that finished within the last hour waited, by queue: from when each was due until it was
-- claimed, of those that were claimed once. Of all queues together, as no index over the history has the queue.
with newest as materialized (
    select queue, claim_no, claimed_at, greatest(enqueued_at, run_after) as due
    from docqueue_history
    where finished_at > (select coalesce(%(now)s::timestamptz, clock_timestamp()) - interval '1 hour')
    order by finished_at desc, id desc limit %(limit)s
), waits as (
    select queue, greatest(0, extract(epoch from claimed_at - due))::float8 as seconds
    from newest where claim_no = 1 and claimed_at is not null
)
select queue, count(*), percentile_cont(0.5) within group (order by seconds), percentile_cont(0.95) within group (order by seconds)
from waits group by queue
