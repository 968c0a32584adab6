-- Remove a slice of stored steps whose item is no longer live.
with old as materialized (
    select c.id from docqueue_checkpoint c
    where not exists (select from docqueue_item i where i.id = c.item_id)
    order by c.id limit %(limit)s
)
delete from docqueue_checkpoint c using old o where c.id = o.id
