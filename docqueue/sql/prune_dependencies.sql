-- Remove a slice of the dependencies of items that are gone from queue and history. (Older than all of the history: what
-- is not live is in neither.)
with old as materialized (
    select d.id from docqueue_dependency d
    where d.child_id < (select coalesce(min(id), 9223372036854775807) from docqueue_history)
        and not exists (select from docqueue_item i where i.id = d.child_id)
    order by d.child_id limit %(limit)s
    for update of d skip locked
)
delete from docqueue_dependency d using old o where d.id = o.id
