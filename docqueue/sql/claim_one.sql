-- Claim one pending item by id, for a caller that chose it; no row when it is not pending any more.
update docqueue_item i set
    status = 'in_progress', attempt = attempt + 1, claim_no = claim_no + 1, claim_token = %(token)s,
    worker_id = %(worker_id)s, claimed_at = coalesce(%(now)s::timestamptz, clock_timestamp()), returned = false
where i.id = any(array(
    select id from docqueue_item where id = %(item_id)s and status = 'pending' for update skip locked))
returning i.id, i.claim_no, i.claim_token, i.worker_id, i.queue, i.operation, i.document_id, i.payload::text,
    i.metadata::text, i.priority, i.ordering_key, i.attempt, i.max_attempts, i.crashes, i.timeout_seconds,
    date_part('epoch', i.enqueued_at), date_part('epoch', i.claimed_at), i.suspect, i.position
