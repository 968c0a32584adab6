-- Remove a slice of limits that say nothing any more: unused for a day, their breaker closed, their bucket full. A row that
-- is wanted again is made anew, as full as this one is.
with idle as materialized (
    select l.key from docqueue_limit l cross join (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now) m
    where l.refilled_at < m.now - interval '1 day' and l.opened_at is null and l.failures = 0
        and (l.rate is null or l.tokens + l.rate * extract(epoch from m.now - l.refilled_at)::float8 >= l.burst)
    order by l.key limit %(limit)s
    for update of l skip locked
)
delete from docqueue_limit l using idle i where l.key = i.key
