-- Complete claimed items: each moves to the history if this claim is still the newest. Returns those that moved. (A token
-- exists only while in progress; asking for the status too could lead the planner to the index over all that run.)
with done as materialized (
    select * from unnest(%(ids)s::bigint[], %(tokens)s::bigint[], %(results)s::text[]) as d (id, token, result)
), locked as materialized (
    select i.id from docqueue_item i join done d on d.id = i.id
    where i.id = any(array(select id from done)) and i.claim_token = d.token
    order by i.id for update of i
), gone as (
    delete from docqueue_item i where i.id = any(array(select id from locked)) returning i.*
), freed as (
    delete from docqueue_key k using gone g
    where g.unique_key is not null and k.key = g.unique_key and k.item_id = g.id and k.lifetime = 'finished'
), kept as (
    insert into docqueue_history (
        id, queue, priority, status, operation, document_id, ordering_key, unique_key, payload, metadata, result,
        attempt, max_attempts, crashes, run_after, enqueued_at, claimed_at, finished_at, worker_id, claim_no, batch_id,
        tenant)
    select
        g.id, g.queue, g.priority, 'completed', g.operation, g.document_id, g.ordering_key, g.unique_key, g.payload,
        g.metadata, d.result::jsonb, g.attempt, g.max_attempts, g.crashes, g.run_after, g.enqueued_at, g.claimed_at,
        coalesce(%(now)s::timestamptz, clock_timestamp()), g.worker_id, g.claim_no, g.batch_id, g.tenant
    from gone g join done d on d.id = g.id
)
select id, ordering_key, slot_key,
    exists (select from docqueue_dependency d where d.parent_id = gone.id and d.outcome is null) as parent
from gone
