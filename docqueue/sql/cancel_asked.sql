-- Which of these items somebody asked to cancel.
select id from docqueue_item where id = any(%(ids)s::bigint[]) and cancel_requested_at is not null
