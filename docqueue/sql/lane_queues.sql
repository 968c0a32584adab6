-- The queues that have pending items, with whether one of them is a suspect: a walk from queue to queue.
with recursive lane as (
    (select queue from docqueue_item where status = 'pending' and not returned order by queue limit 1)
    union all
    select (
        select i.queue from docqueue_item i
        where i.status = 'pending' and not i.returned and i.queue > l.queue order by i.queue limit 1)
    from lane l where l.queue is not null
), back as (
    select queue, bool_or(suspect) as suspect, bool_or(not suspect) as plain
    from docqueue_item where status = 'pending' and returned group by queue
)
select coalesce(l.queue, b.queue) as queue, l.queue is not null or coalesce(b.plain, false) as plain,
    coalesce(b.suspect, false) as suspect
from (select queue from lane where queue is not null) l full join back b on b.queue = l.queue
where not exists (
    select from docqueue_queue q where q.name = coalesce(l.queue, b.queue) and q.paused_at is not null)
order by 1
