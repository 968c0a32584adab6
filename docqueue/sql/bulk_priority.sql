-- Give a slice of items another priority. A pending one goes to the end of its new lane, in the order in which they stood;
-- one that came back keeps its place at the front.
with locked as materialized (
    select id, priority, position, status = 'pending' and not returned as in_lane
    from docqueue_item
    where id = any(%(ids)s::bigint[]) and status = any(%(statuses)s::text[]) and priority <> %(priority)s::smallint
    order by id for update
), placed as materialized (
    select id, in_lane from locked order by priority desc, position nulls last, id
), numbered as materialized (
    select id, case when in_lane then nextval('docqueue_position_seq') end as position from placed
)
update docqueue_item i set
    priority = %(priority)s::smallint, position = coalesce(n.position, i.position), aged = 0
from numbered n
where i.id = n.id
returning i.id, i.status, i.wait_reason, i.queue, i.ordering_key, i.slot_key
