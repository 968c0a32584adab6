-- Give the free slots of these concurrency keys to the first in line, by priority and id, as far as the key can be locked
-- without waiting. How many slots a key has, its first in line says; whoever has a smaller number of its own waits.
with mine as materialized (
    select k.key from (select distinct unnest(%(keys)s::text[]) as key) k
    where pg_try_advisory_xact_lock(%(lock_class)s + 2, hashtext(k.key) & 1023)
), head as materialized (
    select m.key, h.most
    from mine m cross join lateral (
        select least(i.slot_limit, 1000) as most from docqueue_item i
        where i.status = 'waiting' and i.wait_reason = 'concurrency' and i.slot_key = m.key
        order by i.priority desc, i.id limit 1
    ) h
), free as materialized (
    select h.key, s.slot, row_number() over (partition by h.key order by s.slot) as place
    from head h cross join lateral generate_series(1, h.most) as s (slot)
    where not exists (select from docqueue_item i where i.slot_key = h.key and i.slot = s.slot and i.slot is not null)
), first as materialized (
    select m.key, c.id, c.most, row_number() over (partition by m.key order by c.priority desc, c.id) as place
    from (select key, count(*) as number from free group by key) m cross join lateral (
        select i.id, i.priority, i.slot_limit as most from docqueue_item i
        where i.status = 'waiting' and i.wait_reason = 'concurrency' and i.slot_key = m.key
        order by i.priority desc, i.id limit m.number
    ) c
), chosen as materialized (
    select f.id, s.slot, bool_and(s.slot <= f.most) over (partition by f.key order by f.place) as fits
    from first f join free s on s.key = f.key and s.place = f.place
), locked as materialized (
    -- by array: a join would be planned by the table's statistics, which may be old
    select i.id, docqueue_gate(null, true, null, null, i.limit_key, %(fair)s and i.tenant is not null) as gate
    from docqueue_item i
    where i.id = any(array(select id from chosen where fits)) and i.wait_reason is not distinct from 'concurrency'
    order by i.id for update of i skip locked
), numbered as materialized (
    select l.id, l.gate, c.slot, case when l.gate is null then nextval('docqueue_position_seq') end as position
    from locked l join chosen c on c.id = l.id
)
update docqueue_item i set
    status = case when n.gate is null then 'pending' else 'waiting' end,
    wait_reason = n.gate, slot = n.slot, position = n.position, returned = n.gate is null and i.suspect
from numbered n
where i.id = n.id
returning i.id, i.status, i.wait_reason, i.queue, i.ordering_key, i.slot_key
