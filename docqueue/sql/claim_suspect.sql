-- Claim one suspect: an item that was in the hands of a process that died. It must run alone.
with front as materialized (
    select id from docqueue_item
    where status = 'pending' and returned and suspect and queue = any(%(queues)s)
    order by priority desc, position limit 1
    for update skip locked
), taken as (
    update docqueue_item i set
        status = 'in_progress', attempt = attempt + 1, claim_no = claim_no + 1, claim_token = %(token)s,
        worker_id = %(worker_id)s, claimed_at = coalesce(%(now)s::timestamptz, clock_timestamp()), returned = false
    where i.id = any(array(select id from front))
        and exists (select from docqueue_worker where id = %(worker_id)s and lost_at is null and stopped_at is null)
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
