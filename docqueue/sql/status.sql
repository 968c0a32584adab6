-- Where an item is, live or finished.
select status from docqueue_item where id = %(item_id)s
union all
select status from docqueue_history where id = %(item_id)s
limit 1
