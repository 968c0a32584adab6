-- Cancel items in live states: at once, or by asking the running handler to stop. Dead ones only if they had died by
-- `created_at`, where that is given: what has moved on since a slice of a bulk operation was chosen is left as it is. No row:
-- it is in none of these states. Of what is gone by that: its queue, and when it ended.
with clock as materialized (
    select coalesce(%(now)s::timestamptz, clock_timestamp()) as now
), target as materialized (
    select id, status from docqueue_item
    where id = any(%(ids)s) and status = any(%(statuses)s::text[])
        and (%(created_at)s::timestamptz is null or status <> 'dead' or died_at <= %(created_at)s::timestamptz)
    order by id for update
), asked as (
    update docqueue_item i set
        cancel_requested_at = coalesce(i.cancel_requested_at, %(now)s::timestamptz, clock_timestamp())
    from target t
    where i.id = t.id and t.status = 'in_progress'
    returning i.id, i.status, i.ordering_key, null as slot_key
), gone as (
    delete from docqueue_item i using target t where i.id = t.id and t.status <> 'in_progress' returning i.*
), freed as (
    delete from docqueue_key k using gone g
    where g.unique_key is not null and k.key = g.unique_key and k.item_id = g.id and k.lifetime = 'finished'
), resolved as (
    -- dead ones that had been so for about as long in one row
    insert into docqueue_resolution (at, seconds, number)
    select max(now), max(seconds), count(*)
    from (select now, greatest(0, extract(epoch from now - died_at)) as seconds from gone cross join clock where status = 'dead') d
    group by floor(4 * ln(greatest(1, seconds)))
), kept as (
    insert into docqueue_history (
        id, queue, priority, status, operation, document_id, ordering_key, unique_key, payload, metadata, attempt,
        max_attempts, crashes, run_after, enqueued_at, claimed_at, finished_at, claim_no, error_code, error_message, batch_id,
        tenant)
    select
        g.id, g.queue, g.priority, 'cancelled', g.operation, g.document_id, g.ordering_key, g.unique_key, g.payload,
        g.metadata, g.attempt, g.max_attempts, g.crashes, g.run_after, g.enqueued_at, g.claimed_at,
        (select now from clock), g.claim_no, g.error_code, g.error_message, g.batch_id, g.tenant
    from gone g
)
select id, status, ordering_key, slot_key, null as queue, null::timestamptz as finished_at from asked
union all
select id, 'cancelled', ordering_key, slot_key, queue, (select now from clock) from gone
