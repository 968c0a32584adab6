-- Remove a slice of what is known of dead items that were seen to longer than the retention ago.
with old as materialized (
    select id from docqueue_resolution
    where at < (select coalesce(%(now)s::timestamptz, clock_timestamp()) - make_interval(days => %(days)s))
    order by at limit %(limit)s
    for update skip locked
)
delete from docqueue_resolution r using old o where r.id = o.id
