-- The items that one comes after: how each has ended, if it has, and with what result. Of a child that somebody let run,
-- the latest that is known.
select d.parent_id, coalesce(d.outcome, h.status, p.status), coalesce(d.result, h.result)::text, d.if_failed
from docqueue_dependency d
left join lateral (select status, result from docqueue_history where id = d.parent_id and d.outcome is null limit 1) h on true
left join docqueue_item p on p.id = d.parent_id and d.outcome is null and p.status = 'dead'
where d.child_id = %(item_id)s
order by d.parent_id
