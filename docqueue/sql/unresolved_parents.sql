-- The next items, by id, that some child waits for, and whether there is something to do about it: they have ended. A walk
-- from parent to parent, not over the children.
with recursive walk as (
    (select parent_id from docqueue_dependency
     where outcome is null and parent_id > %(after)s
     order by parent_id limit 1)
    union all
    select (
        select d.parent_id from docqueue_dependency d
        where d.outcome is null and d.parent_id > w.parent_id
        order by d.parent_id limit 1)
    from walk w where w.parent_id is not null
)
select parent_id, case (select i.status from docqueue_item i where i.id = w.parent_id)
    when 'dead' then exists (
        select from docqueue_dependency d where d.parent_id = w.parent_id and d.outcome is null and d.if_failed <> 'hold')
    else not exists (select from docqueue_item i where i.id = w.parent_id) end
from walk w where parent_id is not null limit %(limit)s
