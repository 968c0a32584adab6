-- The queues that live items are in: a walk from queue to queue in each of the indexes over what is pending, and over what
-- waits or is dead. Only what is in progress is read from the table, up to `limit`: workers do not hold that many.
-- ("id > 0": see stats_live.sql.)
with recursive lane as (
    (select queue from docqueue_item where status = 'pending' and not returned order by queue limit 1)
    union all
    select (
        select i.queue from docqueue_item i
        where i.status = 'pending' and not i.returned and i.queue > l.queue order by i.queue limit 1)
    from lane l where l.queue is not null
), back as (
    (select queue from docqueue_item where status = 'pending' and returned order by queue limit 1)
    union all
    select (
        select i.queue from docqueue_item i
        where i.status = 'pending' and i.returned and i.queue > b.queue order by i.queue limit 1)
    from back b where b.queue is not null
), aside as (
    (select queue from docqueue_item where (wait_reason is not null or status = 'dead') and id > 0 order by queue limit 1)
    union all
    select (
        select i.queue from docqueue_item i
        where (i.wait_reason is not null or i.status = 'dead') and i.id > 0 and i.queue > a.queue order by i.queue limit 1)
    from aside a where a.queue is not null
)
select queue from (
    select queue from lane union select queue from back union select queue from aside
    union select queue from (select queue from docqueue_item where status = 'in_progress' limit %(limit)s) held
) q
where queue is not null
