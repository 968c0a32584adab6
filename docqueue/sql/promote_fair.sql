-- Fill up each tenant's share of a queue's lanes: `share` items, or what `shares` says of it; the first of each tenant
-- before the second of any. Without a share (it was switched off) all go, 1,000 a tenant and round.
with recursive walk as (
    (select priority, tenant from docqueue_item
     where status = 'waiting' and wait_reason = 'fair_share' and queue = %(queue)s
     order by priority, tenant limit 1)
    union all
    select n.* from walk w cross join lateral (
        select i.priority, i.tenant from docqueue_item i
        where i.status = 'waiting' and i.wait_reason = 'fair_share' and i.queue = %(queue)s
            and (i.priority, i.tenant) > (w.priority, w.tenant)
        order by i.priority, i.tenant limit 1
    ) n
), room as materialized (
    select w.priority, w.tenant, case
        when %(share)s::int is null then 1000
        else l.most - (
            select count(*) from (
                select from docqueue_item i
                where i.status = 'pending' and i.queue = %(queue)s and i.priority = w.priority and i.tenant = w.tenant
                limit l.most) there)
        end as number
    from walk w left join unnest(%(tenants)s::text[], %(shares)s::int[]) as s (tenant, share) on s.tenant = w.tenant
    cross join lateral (select least(coalesce(s.share, %(share)s::int), 1000) as most) l
), first as (
    select f.id, f.priority, row_number() over (partition by r.priority, r.tenant order by f.id) as place
    from room r cross join lateral (
        select id, priority from docqueue_item
        where status = 'waiting' and wait_reason = 'fair_share' and queue = %(queue)s and priority = r.priority
            and tenant = r.tenant
        order by id limit greatest(r.number, 0)
    ) f
), chosen as materialized (
    select id, place from first order by place, id limit 1000
), locked as materialized (
    select i.id from docqueue_item i
    where i.id = any(array(select id from chosen)) and i.wait_reason is not distinct from 'fair_share'
    order by i.id for update of i skip locked
), placed as materialized (
    select id from locked join chosen using (id) order by place, id
), numbered as materialized (
    select id, nextval('docqueue_position_seq') as position from placed
)
update docqueue_item i set
    status = 'pending', wait_reason = null, position = n.position, returned = i.suspect
from numbered n
where i.id = n.id
returning i.id, i.status, i.wait_reason, i.queue, i.ordering_key, i.slot_key
