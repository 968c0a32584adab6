-- End a slice of the items that have been dead for so many days: cancelled, and one entry in the audit for all of them.
with clock as materialized (
    select coalesce(%(now)s::timestamptz, clock_timestamp()) as now
), old as materialized (
    select id from docqueue_item
    where status = 'dead' and died_at < (select now - make_interval(days => %(days)s) from clock)
    order by died_at, id limit %(limit)s
    for update skip locked
), gone as (
    delete from docqueue_item i where i.id = any(array(select id from old)) returning i.*
), freed as (
    delete from docqueue_key k using gone g
    where g.unique_key is not null and k.key = g.unique_key and k.item_id = g.id and k.lifetime = 'finished'
), kept as (
    insert into docqueue_history (
        id, queue, priority, status, operation, document_id, ordering_key, unique_key, payload, metadata, attempt,
        max_attempts, crashes, run_after, enqueued_at, claimed_at, finished_at, claim_no, error_code, error_message, batch_id,
        tenant)
    select
        g.id, g.queue, g.priority, 'cancelled', g.operation, g.document_id, g.ordering_key, g.unique_key, g.payload,
        g.metadata, g.attempt, g.max_attempts, g.crashes, g.run_after, g.enqueued_at, g.claimed_at, clock.now, g.claim_no,
        g.error_code, g.error_message, g.batch_id, g.tenant
    from gone g cross join clock
), noted as (
    insert into docqueue_audit (at, actor, action, item_id, filter, count, reason)
    select min(clock.now), 'docqueue', 'discard', null, jsonb_build_object('dead_for_days', %(days)s::int), count(*),
        'dead for longer than DEAD_RETENTION_DAYS'
    from gone cross join clock having count(*) > 0
)
select id, ordering_key, slot_key from gone
