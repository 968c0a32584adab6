-- Live depths per queue, each counted in an index up to `limit`, and how long the oldest pending item has been due, among
-- the first hundred of each lane and those that came back. A walk from lane to lane and from queue to queue finds them.
-- Only what is in progress is read from the table, as no index over it has the queue: workers do not hold that many.
-- ("id > 0" is true of all: it asks for the index that is there for counting, docqueue_item_aside.)
with recursive lane as (
    (select queue, priority from docqueue_item
     where status = 'pending' and not returned order by queue, priority desc, position limit 1)
    union all
    select n.queue, n.priority
    from lane l cross join lateral (
        (select i.queue, i.priority from docqueue_item i
         where i.status = 'pending' and not i.returned and i.queue = l.queue and i.priority < l.priority
         order by i.queue, i.priority desc, i.position limit 1)
        union all
        (select i.queue, i.priority from docqueue_item i
         where i.status = 'pending' and not i.returned and i.queue > l.queue
         order by i.queue, i.priority desc, i.position limit 1)
        order by queue limit 1
    ) n
), aside as (
    (select queue from docqueue_item where (wait_reason is not null or status = 'dead') and id > 0 order by queue limit 1)
    union all
    select (
        select i.queue from docqueue_item i
        where (i.wait_reason is not null or i.status = 'dead') and i.id > 0 and i.queue > a.queue order by i.queue limit 1)
    from aside a where a.queue is not null
), back as materialized (
    select queue, count(*) as number, min(greatest(enqueued_at, run_after)) as oldest
    from (
        select queue, enqueued_at, run_after from docqueue_item where status = 'pending' and returned limit %(limit)s
    ) r
    group by queue
), held as materialized (
    select queue, count(*) as number
    from (select queue from docqueue_item where status = 'in_progress' limit %(limit)s) h
    group by queue
), front as materialized (
    select l.queue, min(f.since) as oldest
    from lane l cross join lateral (
        select greatest(i.enqueued_at, i.run_after) as since from docqueue_item i
        where i.status = 'pending' and not i.returned and i.queue = l.queue and i.priority = l.priority
        order by i.position limit 100
    ) f
    group by l.queue
), queues as materialized (
    select queue from front union select queue from aside where queue is not null
    union select queue from back union select queue from held
)
select q.queue, pending.number + coalesce(b.number, 0), coalesce(h.number, 0), dead.number, waiting.number, retrying.number,
    extract(epoch from (select coalesce(%(now)s::timestamptz, clock_timestamp())) - least(f.oldest, b.oldest))::float8
from queues q
left join back b on b.queue = q.queue
left join held h on h.queue = q.queue
left join front f on f.queue = q.queue
cross join lateral (select count(*) as number from (
    select from docqueue_item i where i.status = 'pending' and not i.returned and i.queue = q.queue limit %(limit)s) c) pending
cross join lateral (select count(*) as number from (
    select from docqueue_item i where i.status = 'dead' and i.id > 0 and i.queue = q.queue limit %(limit)s) c) dead
cross join lateral (select count(*) as number from (
    select from docqueue_item i where i.status = 'waiting' and i.id > 0 and i.queue = q.queue and i.wait_reason = any(%(reasons)s)
    limit %(limit)s) c) waiting
cross join lateral (select count(*) as number from (
    select from docqueue_item i where i.status = 'waiting' and i.id > 0 and i.queue = q.queue and i.wait_reason = 'retry'
    limit %(limit)s) c) retrying
