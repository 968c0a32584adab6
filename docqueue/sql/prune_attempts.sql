-- Remove a slice of attempts and progress of items that are gone from queue and history.
with old as materialized (
    select a.id from docqueue_attempt a
    where a.ended_at < (select coalesce(%(now)s::timestamptz, clock_timestamp()) - make_interval(days => %(days)s))
        and not exists (select from docqueue_item i where i.id = a.item_id)
    order by a.id limit %(limit)s
)
delete from docqueue_attempt a using old o where a.id = o.id
