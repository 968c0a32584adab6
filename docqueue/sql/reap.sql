-- Free a slice of the items of workers that are lost or stopped. Nobody is charged the first time: the item becomes a
-- suspect and will run alone. Only a suspect whose lease was lost while it ran alone is charged a crash. Workers that were
-- swept are not looked at again: while a snapshot is held, looking means walking over all that they ever claimed.
with decided as materialized (
    -- the statement that locks also reads: a second look would see the snapshot's version, before a late cancel
    select i.id, i.suspect as alone, i.cancel_requested_at is not null as cancelled, i.crashes + i.suspect::int as crashed,
        greatest(1, i.attempt) as ran_as, i.claim_no, i.worker_id, i.claimed_at as ran_at, w.lost_at is null as stopped,
        i.suspect and i.crashes + 1 >= %(max_crashes)s as fatal,
        coalesce(%(now)s::timestamptz, clock_timestamp()) as now
    from docqueue_worker w join docqueue_item i on i.worker_id = w.id
    where i.status = 'in_progress' and (w.lost_at is not null or w.stopped_at is not null) and w.swept_at is null
    order by i.id limit %(limit)s
    for update of i skip locked
), noted as (
    insert into docqueue_attempt (
        item_id, attempt, claim_no, worker_id, outcome, started_at, ended_at, code, message, traceback, fingerprint)
    select id, ran_as, claim_no, worker_id, case when alone and not stopped then 'crashed' else 'lease_lost' end, ran_at, now,
        case when alone and not stopped then 'crashed' else 'lease_lost' end,
        case when stopped then 'the worker stopped without handing the item back' else 'the worker lost its lease' end,
        '', ''
    from decided
), stayed as (
    update docqueue_item i set
        status = case when d.fatal and not d.stopped then 'dead' else 'pending' end,
        died_at = case when d.fatal and not d.stopped then d.now end,
        holds_key = i.holds_key and not (d.fatal and not d.stopped),
        slot = case when not (d.fatal and not d.stopped) then i.slot end,
        error_code = case when d.fatal and not d.stopped then 'crashed' else i.error_code end,
        error_message = case when d.fatal and not d.stopped
            then 'its worker died ' || d.crashed || ' times while running it alone' else i.error_message end,
        crashes = case when d.stopped then i.crashes else d.crashed end,
        attempt = greatest(0, i.attempt - 1), returned = true, suspect = true, worker_id = null, claim_token = null
    from decided d
    where i.id = d.id and not d.cancelled
    returning i.id, i.status, i.operation, i.ordering_key, i.unique_key, i.slot_key
), gone as (
    delete from docqueue_item i using decided d where i.id = d.id and d.cancelled returning i.*
), freed as (
    delete from docqueue_key k
    using (
        select id, unique_key from gone union all select id, unique_key from stayed where status = 'dead'
    ) f
    where f.unique_key is not null and k.key = f.unique_key and k.item_id = f.id and k.lifetime = 'finished'
), kept as (
    insert into docqueue_history (
        id, queue, priority, status, operation, document_id, ordering_key, unique_key, payload, metadata, attempt,
        max_attempts, crashes, run_after, enqueued_at, claimed_at, finished_at, worker_id, claim_no, batch_id, tenant)
    select
        g.id, g.queue, g.priority, 'cancelled', g.operation, g.document_id, g.ordering_key, g.unique_key, g.payload,
        g.metadata, g.attempt, g.max_attempts, g.crashes, g.run_after, g.enqueued_at, g.claimed_at, d.now, g.worker_id,
        g.claim_no, g.batch_id, g.tenant
    from gone g join decided d on d.id = g.id
)
select id, status, operation, ordering_key, slot_key from stayed
union all
select id, 'cancelled', operation, ordering_key, slot_key from gone
