-- Claim one pending item by id, for a caller that chose it; no row when it is not pending any more.
with taken as (
    update docqueue_item i set
        status = 'in_progress', attempt = attempt + 1, claim_no = claim_no + 1, claim_token = %(token)s,
        worker_id = %(worker_id)s, claimed_at = coalesce(%(now)s::timestamptz, clock_timestamp()), returned = false
    where i.id = any(array(
        select id from docqueue_item where id = %(item_id)s and status = 'pending' for update skip locked))
    returning i.*
), freed as (
    -- keys that are held until the item is claimed
    delete from docqueue_key k using taken t
    where t.unique_key is not null and k.key = t.unique_key and k.item_id = t.id and k.lifetime = 'claimed'
)
select
    id, claim_no, claim_token, worker_id, queue, operation, document_id, payload::text,
    metadata::text, priority, ordering_key, attempt, max_attempts, crashes, timeout_seconds,
    date_part('epoch', enqueued_at), date_part('epoch', claimed_at), suspect, position, limit_key
from taken
