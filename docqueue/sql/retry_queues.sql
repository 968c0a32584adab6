-- The queues that have a retry whose time has come, and whether they have a budget yet: a walk from queue to queue.
with recursive q as (
    (select queue from docqueue_item where status = 'waiting' and wait_reason = 'retry' order by queue limit 1)
    union all
    select (
        select i.queue from docqueue_item i
        where i.status = 'waiting' and i.wait_reason = 'retry' and i.queue > q.queue order by i.queue limit 1)
    from q where q.queue is not null
)
select q.queue, exists (select from docqueue_limit l where l.key = %(prefix)s || q.queue)
from q
where q.queue is not null and exists (
    select from docqueue_item i
    where i.status = 'waiting' and i.wait_reason = 'retry' and i.queue = q.queue
        and i.next_retry_at <= (select coalesce(%(now)s::timestamptz, clock_timestamp())))
order by 1
