-- How far a batch is: its items by state, of the live, the dead and the finished `most` each (null: all).
select b.id, b.name,
    coalesce(live.pending, 0), coalesce(live.in_progress, 0), coalesce(live.waiting, 0),
    (select count(*) from (
        select from docqueue_item i where i.batch_id = b.id and i.status = 'dead' limit %(most)s::bigint) d),
    coalesce(past.completed, 0), coalesce(past.cancelled, 0),
    b.created_at, b.sealed_at, b.finished_at, b.outcome, b.callback_id
from docqueue_batch b
left join lateral (
    select count(*) filter (where status = 'pending') as pending,
        count(*) filter (where status = 'in_progress') as in_progress, count(*) filter (where status = 'waiting') as waiting
    from (select i.status from docqueue_item i where i.batch_id = b.id and i.status <> 'dead' limit %(most)s::bigint) l
) live on true
left join lateral (
    select count(*) filter (where status = 'completed') as completed, count(*) filter (where status = 'cancelled') as cancelled
    from (select h.status from docqueue_history h where h.batch_id = b.id limit %(most)s::bigint) f
) past on true
where b.id = any(%(ids)s::bigint[])
order by b.id desc
