-- Look at items that come after others: copy how each parent has ended, with its result, and let a child go on when none is
-- left to wait for, or end it cancelled with a parent that must not fail. What may still end well, a dead parent of a child
-- that holds included, stays open. A child moves in the very statement that finds no parent open, before it copies that:
-- of two parents that end at once, the statement with the later snapshot sees both. `parents`: of a child that still waits
-- for others, look at these only; null: at all.
with kid as materialized (
    -- in a case: else the planner may walk the index over all open rows instead of the child's own
    select id, (
            select true from docqueue_dependency d where d.child_id = k.id and case when d.outcome is null then (
                select p.status <> 'dead' or d.if_failed = 'hold' from docqueue_item p where p.id = d.parent_id) end limit 1
        ) is not null as waits
    from unnest(%(children)s::bigint[]) as k (id)
), edge as materialized (
    select d.id, d.child_id, d.parent_id, d.if_failed, k.waits, d.outcome is null as open, p.status is null as ended,
        case when d.outcome is not null then d.outcome when p.status is null then coalesce(h.status, 'cancelled')
            when p.status = 'dead' then p.status end as outcome
    from kid k join docqueue_dependency d on d.child_id = k.id
        and (not k.waits or %(parents)s::bigint[] is null or d.parent_id = any(%(parents)s::bigint[]))
    left join lateral (select status from docqueue_item where id = d.parent_id and d.outcome is null limit 1) p on true
    left join lateral (
        select status from docqueue_history where id = d.parent_id and d.outcome is null and p.status is null limit 1
    ) h on true
), judged as materialized (
    select child_id, min(parent_id) filter (where if_failed = 'cancel' and outcome <> 'completed') as culprit,
        bool_or(waits or if_failed = 'hold' and outcome <> 'completed') as held from edge group by child_id
), child as materialized (
    -- the statement that locks also reads; one that somebody else has locked keeps its rows open, for the next round
    select i.id, case
            when i.run_after > (select coalesce(%(now)s::timestamptz, clock_timestamp())) then 'delayed'
            else docqueue_gate(i.ordering_key, i.holds_key, i.slot_key, i.slot, i.limit_key, %(fair)s and i.tenant is not null)
        end as gate
    from docqueue_item i
    where i.id = any(array(select child_id from judged where culprit is not null or not held))
        and i.status = 'waiting' and i.wait_reason = 'dependency'
    order by i.id for update of i skip locked
), known as materialized (
    select d.id from docqueue_dependency d
    where coalesce(d.outcome, '') = '' and d.id = any(array(
        select e.id from edge e join judged j on j.child_id = e.child_id
        where e.open and case
            when e.child_id in (select id from child) then e.outcome is not null
            -- somebody has let it run, or ended it: it does not wait for what the dead may become
            when (select true from docqueue_item w where w.id = e.child_id and w.status = 'waiting' and w.wait_reason = 'dependency') is null then e.ended or e.outcome is not null and e.if_failed <> 'hold'
            else e.ended and j.held and j.culprit is null  -- else it is locked
        end))
    order by d.id for update skip locked
), noted as (
    update docqueue_dependency d set
        outcome = e.outcome, result = (select h.result from docqueue_history h where h.id = d.parent_id limit 1)
    from edge e where d.id = e.id and d.id = any(array(select id from known))
), numbered as materialized (
    select c.id, gate, case when gate is null then nextval('docqueue_position_seq') end as position
    from child c join judged j on j.child_id = c.id where j.culprit is null order by c.id
), moved as (
    update docqueue_item i set
        status = case when n.gate is null then 'pending' else 'waiting' end, wait_reason = n.gate, position = n.position,
        returned = n.gate is null and i.suspect, next_retry_at = case when n.gate = 'delayed' then i.run_after end
    from numbered n where i.id = n.id
    returning i.id, i.status, i.wait_reason, i.queue, i.ordering_key, i.slot_key
), gone as (
    delete from docqueue_item i where i.id = any(array(
        select c.id from child c join judged j on j.child_id = c.id where j.culprit is not null)) returning i.*
), freed as (
    delete from docqueue_key k using gone g
    where g.unique_key is not null and k.key = g.unique_key and k.item_id = g.id and k.lifetime = 'finished'
), kept as (
    insert into docqueue_history (
        id, queue, priority, status, operation, document_id, ordering_key, unique_key, payload, metadata, attempt,
        max_attempts, crashes, run_after, enqueued_at, claimed_at, finished_at, claim_no, error_code, error_message, batch_id, tenant)
    select g.id, g.queue, g.priority, 'cancelled', g.operation, g.document_id, g.ordering_key, g.unique_key, g.payload,
        g.metadata, g.attempt, g.max_attempts, g.crashes, g.run_after, g.enqueued_at, g.claimed_at,
        coalesce(%(now)s::timestamptz, clock_timestamp()), g.claim_no, 'parent_failed',
        'item ' || e.parent_id || coalesce(' (' || coalesce((select operation from docqueue_item where id = e.parent_id), (
            select operation from docqueue_history where id = e.parent_id limit 1)) || ')', '') || ', which it comes after, '
            || case e.outcome when 'dead' then 'is dead' else 'was cancelled' end, g.batch_id, g.tenant
    from gone g join judged j on j.child_id = g.id join edge e on e.child_id = g.id and e.parent_id = j.culprit
)
select id, status, wait_reason, queue, ordering_key, slot_key from moved
union all
select id, 'cancelled', null, queue, ordering_key, slot_key from gone
