-- The last full counts of what is too deep to be counted each time, with how old each is.
select queue, status, number,
    greatest(0, extract(epoch from (select coalesce(%(now)s::timestamptz, clock_timestamp())) - counted_at))::float8
from docqueue_depth where queue <> ''
