-- Entries about no single item that have this in their filter, among the newest `window` of such entries: `most` ids, newest first.
with newest as materialized (
    select id, filter from docqueue_audit where item_id is null order by item_id desc, id desc limit %(window)s
)
select id from newest where filter @> %(wanted)s::jsonb order by id desc limit %(most)s
