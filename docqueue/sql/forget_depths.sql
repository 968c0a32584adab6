-- Remove a slice of the full counts of what is not so deep any more.
with old as materialized (
    select d.id from docqueue_depth d
    where d.queue <> '' and not exists (
        select from unnest(%(queues)s::text[], %(kinds)s::text[]) as k (queue, kind)
        where k.queue = d.queue and k.kind = d.status)
    order by d.id limit %(limit)s
    for update skip locked
)
delete from docqueue_depth d using old o where d.id = o.id
