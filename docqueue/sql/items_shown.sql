-- What a list shows of these items, live or finished, the newest first.
select id, status, wait_reason, queue, operation, document_id, priority, ordering_key, unique_key, tenant, batch_id, attempt,
    max_attempts, crashes, enqueued_at, claimed_at, finished_at, died_at, next_retry_at, cancel_requested_at, worker_id, error_code,
    error_message
from docqueue_any_item
where id = any(%(ids)s::bigint[])
order by id desc
