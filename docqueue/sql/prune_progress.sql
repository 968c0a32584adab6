-- Remove a slice of progress rows whose item is no longer live.
with old as materialized (
    select p.item_id from docqueue_progress p
    where not exists (select from docqueue_item i where i.id = p.item_id)
    order by p.item_id limit %(limit)s
)
delete from docqueue_progress p using old o where p.item_id = o.item_id
