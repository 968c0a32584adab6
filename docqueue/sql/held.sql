-- What a worker holds according to the database, and whether a cancel was requested.
select id, claim_token, cancel_requested_at is not null from docqueue_item
where status = 'in_progress' and worker_id = %(worker_id)s
