-- A worker's step: complete what it has done and claim the front of one queue's lanes, in one round trip and one flush.
-- Completed items move to the history if their claim is still the newest (a token exists only while in progress). Of the
-- lanes, what came back goes first, then by priority what lies behind the worker's hint, or behind the lane's front where
-- one is named: a sequence, as it tells at once, without a row version or a lock, how far others have got. Never blocks;
-- a worker whose lease is gone claims nothing. The last row (its id is null) sums up in place of a payload.
with gone as (
    -- ids come sorted, so that rows are locked in that order
    delete from docqueue_item i
    using unnest(%(ids)s::bigint[], %(tokens)s::bigint[], %(results)s::text[]) as d (id, token, result)
    where i.id = d.id and i.claim_token = d.token
    returning i.id, i.queue, i.priority, i.operation, i.document_id, i.ordering_key, i.unique_key, i.payload, i.metadata, i.attempt, i.max_attempts, i.crashes, i.run_after, i.enqueued_at, i.claimed_at, i.worker_id, i.claim_no, i.batch_id, i.tenant, i.slot_key, d.result
), freed as (
    delete from docqueue_key k using gone g where g.unique_key is not null and k.key = g.unique_key and k.item_id = g.id and k.lifetime = 'finished'
), kept as (
    insert into docqueue_history (
        id, queue, priority, status, operation, document_id, ordering_key, unique_key, payload, metadata, result,
        attempt, max_attempts, crashes, run_after, enqueued_at, claimed_at, finished_at, worker_id, claim_no, batch_id, tenant)
    select id, queue, priority, 'completed', operation, document_id, ordering_key, unique_key, payload, metadata, result::jsonb, attempt, max_attempts, crashes, run_after, enqueued_at, claimed_at,
        coalesce(%(now)s::timestamptz, clock_timestamp()), worker_id, claim_no, batch_id, tenant
    from gone
), front as materialized (
    select id from docqueue_item
    where status = 'pending' and returned and not suspect and queue = %(queue)s order by priority desc, position limit %(limit)s for update skip locked
), lanes as materialized (
    -- The number of a sequence is a lane's tag and a position of 43 bits; other lanes' numbers are of no use. A full claim
    -- reaches that far at least: say so before it begins, and how far it did reach once that is known.
    select l.*, s.start, setval(l.front::regclass, (l.tag << 43) + s.start + %(limit)s)
    from unnest(%(priorities)s::smallint[], %(hints)s::bigint[], %(fronts)s::text[], %(tags)s::bigint[]) as l (priority, hint, front, tag)
    cross join lateral (
        select case when number >> 43 = l.tag then greatest(l.hint, number & 8796093022207) else l.hint end as start
        from pg_sequence_last_value(l.front::regclass) as number offset 0
    ) s
), chosen as materialized (
    select f.id, f.position, l.priority from lanes l cross join lateral (
        select id, position from docqueue_item
        where status = 'pending' and not returned and queue = %(queue)s and priority = l.priority and position > l.start
        order by position limit %(limit)s for update skip locked
    ) f
    limit (select %(limit)s - count(*) from front)
), told as materialized (
    select setval(l.front::regclass, case
        when c.reached is null or (select count(*) from chosen) < %(limit)s then (l.tag << 43) + coalesce(c.reached, l.hint)
        else greatest((l.tag << 43) + c.reached, case when number >> 43 = l.tag then number end) end)
    from lanes l left join (select priority, max(position) as reached from chosen group by priority) c using (priority) cross join lateral pg_sequence_last_value(l.front::regclass) as number
    where l.front is not null
), heads as materialized (
    select h.*, g.ordering_key from gone g cross join lateral (
        select i.id, i.queue = %(queue)s and not i.suspect
            and docqueue_gate(null, true, i.slot_key, i.slot, i.limit_key, %(fair)s and i.tenant is not null) is null as ready
        from docqueue_item i where i.status = 'waiting' and i.wait_reason = 'ordering' and i.ordering_key = g.ordering_key
        order by i.id limit 1) h where g.ordering_key is not null
), next as materialized (
    -- Where the lanes have nothing more, whoever is next in line of a key that is let go is claimed right here: nobody else
    -- can take the key before we commit. The position tells that it says nothing of its lane.
    select i.id from docqueue_item i where i.wait_reason is not distinct from 'ordering' and i.id = any(array(
        select id from heads where ready limit (select %(limit)s - (select count(*) from front) - (select count(*) from chosen))))
    order by i.id for update of i skip locked
), taken as (
    update docqueue_item i set
        status = 'in_progress', attempt = attempt + 1, claim_no = claim_no + 1, claim_token = %(token)s, worker_id = %(worker_id)s,
        claimed_at = coalesce(%(now)s::timestamptz, clock_timestamp()), returned = false, wait_reason = null,
        holds_key = holds_key or wait_reason is not null, position = case when wait_reason is null then position else 0 end
    where i.id = any(array(select id from front union all select id from chosen union all select id from next))
        and (select count(*) from told) is not null and exists (select from docqueue_worker where id = %(worker_id)s and lost_at is null and stopped_at is null)
    returning id, claim_no, claim_token, worker_id, queue, operation, document_id, payload, metadata, priority, ordering_key,
        unique_key, attempt, max_attempts, crashes, timeout_seconds, enqueued_at, claimed_at, suspect, position, limit_key
), unlocked as (
    delete from docqueue_key k using taken t where t.unique_key is not null and k.key = t.unique_key and k.item_id = t.id and k.lifetime = 'claimed'
)
select id, claim_no, claim_token, worker_id, queue, operation, document_id, payload::text, metadata::text, priority, ordering_key,
    attempt, max_attempts, crashes, timeout_seconds, date_part('epoch', enqueued_at), date_part('epoch', claimed_at), suspect,
    position, limit_key
from taken
union all
select null, null, null, null, null, null, null, json_build_object(
        'returned', (select count(*) from front), 'completed', count(*), 'ids', case when count(*) <> cardinality(%(ids)s::bigint[]) then array_agg(id) end,
        'followed', (select array_agg(ordering_key) from heads h where not exists (select from taken t where t.id = h.id)),
        'slots', array_agg(slot_key) filter (where slot_key is not null), 'parents', array_agg(id) filter (where %(dependencies)s and exists (select from docqueue_dependency d where d.parent_id = gone.id and d.outcome is null))
    )::text, null, null, null, null, null, null, null, null, null, null, null, null
from gone
