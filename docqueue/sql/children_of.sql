-- The next items, by id, that wait for one of these parents. What is on hold behind one that is dead goes on waiting.
select distinct d.child_id from docqueue_dependency d
where d.outcome is null and d.parent_id = any(%(parents)s::bigint[]) and d.child_id > %(after)s
    and (d.if_failed <> 'hold' or not exists (select from docqueue_item p where p.id = d.parent_id))
order by d.child_id limit %(limit)s
