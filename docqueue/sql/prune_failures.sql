-- Remove a slice of the groups of dead items of which nothing has been left for longer than the retention.
with old as materialized (
    select fingerprint from docqueue_failure
    where number = 0
        and counted_at < (select coalesce(%(now)s::timestamptz, clock_timestamp()) - make_interval(days => %(days)s))
    order by fingerprint limit %(limit)s
    for update skip locked
)
delete from docqueue_failure f using old o where f.fingerprint = o.fingerprint
