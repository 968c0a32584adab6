-- For each of these ordering keys that is free and whose hash slot can be locked without waiting, the first item in
-- line takes the key, and becomes pending or meets the next rule of admission.
with free as materialized (
    select k.key from (select distinct unnest(%(keys)s::text[]) as key) k
    -- Key by key: `not exists` would be made a join with all that hold a key, of which old statistics know none.
    where (select h.id from docqueue_item h where h.holds_key and h.ordering_key = k.key limit 1) is null
), mine as materialized (
    select key from free where pg_try_advisory_xact_lock(%(lock_class)s, hashtext(key) & 1023)
), head as materialized (
    select (
        select i.id from docqueue_item i
        where i.status = 'waiting' and i.wait_reason = 'ordering' and i.ordering_key = m.key
        order by i.id limit 1
    ) as id
    from mine m
), locked as materialized (
    -- By array: a join would be planned by the table's statistics, which may be old. (What waits has a reason; asked for
    -- as `= 'ordering'`, the planner may walk the index over all that stand in line instead of looking up each.)
    select i.id, docqueue_gate(null, true, i.slot_key, i.slot, i.limit_key, %(fair)s and i.tenant is not null) as gate
    from docqueue_item i
    where i.id = any(array(select id from head)) and i.wait_reason is not distinct from 'ordering'
    order by i.id for update of i skip locked
), numbered as materialized (
    select id, gate, case when gate is null then nextval('docqueue_position_seq') end as position from locked
)
update docqueue_item i set
    status = case when n.gate is null then 'pending' else 'waiting' end,
    wait_reason = n.gate, holds_key = true, position = n.position, returned = n.gate is null and i.suspect
from numbered n
where i.id = n.id
returning i.id, i.status, i.wait_reason, i.queue, i.ordering_key, i.slot_key
