-- The keys of the limits that items wait for, in these queues: a walk from key to key.
select distinct k.limit_key from unnest(%(queues)s::text[]) as q (queue) cross join lateral (
    with recursive walk as (
        (select i.limit_key from docqueue_item i
         where i.status = 'waiting' and i.wait_reason = 'limited' and i.queue = q.queue
         order by i.limit_key limit 1)
        union all
        select (
            select i.limit_key from docqueue_item i
            where i.status = 'waiting' and i.wait_reason = 'limited' and i.queue = q.queue and i.limit_key > w.limit_key
            order by i.limit_key limit 1)
        from walk w where w.limit_key is not null
    )
    select limit_key from walk where limit_key is not null
) k
