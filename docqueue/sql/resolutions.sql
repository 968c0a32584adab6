-- How many dead items were seen to in the last so many days, how long all of them had been dead together, and how long half of
-- them, and 95 of 100, at most.
with ranked as materialized (
    select seconds, number, sum(number) over (order by seconds, id) as upto, sum(number) over () as total
    from docqueue_resolution
    where at > (select coalesce(%(now)s::timestamptz, clock_timestamp()) - make_interval(days => %(days)s))
)
select coalesce(max(total), 0)::bigint, coalesce(sum(seconds * number), 0)::float8,
    min(seconds) filter (where upto >= 0.5 * total), min(seconds) filter (where upto >= 0.95 * total)
from ranked
