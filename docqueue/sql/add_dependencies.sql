-- Note whom items come after: one row for each child and parent. What has ended is copied at once, with its result.
-- Returns the rows that were made, and whether the parent has ended: no row for a parent that is unknown.
insert into docqueue_dependency (child_id, parent_id, if_failed, outcome, result)
select e.child, e.parent, e.if_failed, h.status, h.result
from unnest(%(children)s::bigint[], %(parents)s::bigint[], %(if_failed)s::text[]) as e (child, parent, if_failed)
left join lateral (select status, result from docqueue_history where id = e.parent limit 1) h on true
where h.status is not null or exists (select from docqueue_item i where i.id = e.parent)
order by e.child, e.parent
returning child_id, parent_id, outcome is not null
