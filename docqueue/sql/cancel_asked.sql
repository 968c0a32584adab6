-- Which of these items somebody asked to cancel, and how many seconds ago.
select id, extract(epoch from coalesce(%(now)s::timestamptz, clock_timestamp()) - cancel_requested_at)::float8
from docqueue_item where id = any(%(ids)s::bigint[]) and cancel_requested_at is not null
