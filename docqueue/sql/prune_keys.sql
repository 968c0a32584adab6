-- Remove a slice of the keys whose period is over.
with old as materialized (
    select key from docqueue_key
    where lifetime = 'period' and expires_at <= (select coalesce(%(now)s::timestamptz, clock_timestamp()))
    order by expires_at limit %(limit)s
    for update skip locked
)
delete from docqueue_key k using old o where k.key = o.key
