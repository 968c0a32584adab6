-- Every exit of a claimed item but completed: retry, snooze, dead, release, crash, cancelled. One JSON row an item says
-- where it goes; an item whose cancel was requested is cancelled instead. Guarded by the claim's token; returns what changed.
with asked as materialized (
    select r.*, coalesce(%(now)s::timestamptz, clock_timestamp()) as now
    from jsonb_to_recordset(%(rows)s::jsonb) as r (
        id bigint, token bigint, target text, wait_reason text, delay_seconds float8, next_at timestamptz,
        attempts_back int, crashes int, suspect boolean, outcome text, code text, message text, traceback text,
        fingerprint text)
), locked as materialized (
    select i.id, i.cancel_requested_at is not null or a.target = 'cancelled' as cancelled,
        greatest(1, i.attempt) as ran_as,  -- that of a probe does not count
        i.claimed_at as ran_at, a.now,
        a.target, a.wait_reason, a.attempts_back, a.crashes as crashed, a.suspect as make_suspect,
        greatest(a.now, coalesce(a.next_at, a.now + make_interval(secs => a.delay_seconds))) as next_at, a.outcome, a.code, a.message,
        a.traceback, a.fingerprint
    from docqueue_item i join asked a on a.id = i.id
    where i.claim_token = a.token
    order by i.id for update of i
), noted as (
    insert into docqueue_attempt (
        item_id, attempt, claim_no, worker_id, outcome, started_at, ended_at, code, message, traceback, fingerprint)
    select l.id, l.ran_as, i.claim_no, i.worker_id, l.outcome, l.ran_at, l.now, l.code, left(l.message, 1000),
        l.traceback, l.fingerprint
    from locked l join docqueue_item i on i.id = l.id
    where l.outcome is not null
), stayed as (
    update docqueue_item i set
        -- what has a limit and is handed back unrun waits for its limit again, but for suspects: these are to run alone
        status = case when l.target = 'pending' and i.limit_key is not null and not (i.suspect or l.make_suspect) then 'waiting' else l.target end,
        wait_reason = case when l.target = 'pending' and i.limit_key is not null and not (i.suspect or l.make_suspect) then 'limited' else l.wait_reason end,
        next_retry_at = case when l.target = 'waiting' then l.next_at end,
        died_at = case when l.target = 'dead' then l.now end,
        returned = l.target = 'pending' and (i.limit_key is null or i.suspect or l.make_suspect),
        holds_key = i.holds_key and l.target <> 'dead',
        slot = case when l.target = 'pending' then i.slot end,
        attempt = greatest(0, i.attempt - l.attempts_back),
        crashes = i.crashes + l.crashed,
        suspect = i.suspect or l.make_suspect,
        worker_id = null, claim_token = null,
        -- an interruption stands with the attempts; it is no failure of the item
        error_code = case when l.outcome = 'interrupted' then i.error_code else coalesce(l.code, i.error_code) end,
        error_message = case when l.outcome = 'interrupted' then i.error_message
            else coalesce(left(l.message, 1000), i.error_message) end,
        fingerprint = case when l.outcome = 'interrupted' then i.fingerprint else coalesce(l.fingerprint, i.fingerprint) end
    from locked l
    where i.id = l.id and not l.cancelled
    returning i.id, i.status, i.next_retry_at, i.ordering_key, i.unique_key, case when i.slot is null then i.slot_key end as slot_key
), gone as (
    delete from docqueue_item i using locked l where i.id = l.id and l.cancelled returning i.*
), freed as (
    delete from docqueue_key k
    using (
        select id, unique_key from gone union all select id, unique_key from stayed where status = 'dead'
    ) f
    where f.unique_key is not null and k.key = f.unique_key and k.item_id = f.id and k.lifetime = 'finished'
), kept as (
    insert into docqueue_history (
        id, queue, priority, status, operation, document_id, ordering_key, unique_key, payload, metadata, attempt,
        max_attempts, crashes, run_after, enqueued_at, claimed_at, finished_at, worker_id, claim_no, error_code,
        error_message, batch_id, tenant)
    select
        g.id, g.queue, g.priority, 'cancelled', g.operation, g.document_id, g.ordering_key, g.unique_key, g.payload,
        g.metadata, g.attempt, g.max_attempts, g.crashes, g.run_after, g.enqueued_at, g.claimed_at,
        coalesce(%(now)s::timestamptz, clock_timestamp()), g.worker_id, g.claim_no, l.code, left(l.message, 1000), g.batch_id,
        g.tenant
    from gone g join locked l on l.id = g.id
)
select id, status, next_retry_at, ordering_key, slot_key from stayed
union all
select id, 'cancelled', null, ordering_key, slot_key from gone
