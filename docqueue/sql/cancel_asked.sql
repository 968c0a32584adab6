-- Which of the items that a worker holds somebody asked to cancel, and how many seconds ago.
select id, extract(epoch from (select coalesce(%(now)s::timestamptz, clock_timestamp())) - cancel_requested_at)::float8
from docqueue_item where cancel_requested_at is not null and status = 'in_progress' and worker_id = %(worker_id)s
