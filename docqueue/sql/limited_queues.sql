-- The queues in which items wait for a limit: a walk from queue to queue.
with recursive walk as (
    (select queue from docqueue_item where status = 'waiting' and wait_reason = 'limited' order by queue limit 1)
    union all
    select (
        select i.queue from docqueue_item i
        where i.status = 'waiting' and i.wait_reason = 'limited' and i.queue > w.queue order by i.queue limit 1)
    from walk w where w.queue is not null
)
select queue from walk
where queue is not null and not exists (select from docqueue_queue q where q.name = queue and q.paused_at is not null)
