-- Remove a slice of the batches that finished longer than the retention ago.
with old as materialized (
    select id from docqueue_batch
    where finished_at < (select coalesce(%(now)s::timestamptz, clock_timestamp()) - make_interval(days => %(days)s))
    order by id limit %(limit)s
    for update skip locked
)
delete from docqueue_batch b using old o where b.id = o.id
