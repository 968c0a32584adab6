-- Delete a slice of finished items for good; but none that an item still waits to hear of, nor of a batch that goes on.
with locked as materialized (
    select id, finished_at from docqueue_history h
    where id = any(%(ids)s::bigint[]) and status = any(%(statuses)s::text[]) and finished_at <= %(created_at)s::timestamptz
        and not exists (select from docqueue_dependency d where d.parent_id = h.id and d.outcome is null)
        and not exists (select from docqueue_batch b where b.id = h.batch_id and b.finished_at is null)
    order by id for update
)
delete from docqueue_history h using locked l where h.id = l.id and h.finished_at = l.finished_at
returning h.id
